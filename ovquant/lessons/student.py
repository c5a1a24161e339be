"""A PyTorch module whose weights are rounded as a plan stores them, while it is asked as a student; asked as a teacher, it is float."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils import parametrize

from ovquant.domain.sample import Array
from ovquant.errors import ModelError
from ovquant.graph.numbers import Numbers

RANK = 32
"""The rank of what is added to a weight (LoRA, Hu et al., 2021)."""
MOST_LOST = 0.5
"""The share of weights that may be missing in the module."""


class _Rounding(torch.autograd.Function):
    """Round weights to a grid; gradients pass through to what is inside it, and to the scales (LSQ, Esser et al., 2019)."""

    @staticmethod
    def forward(ctx: Any, weight: torch.Tensor, scale: torch.Tensor, zero: torch.Tensor, span: Any) -> torch.Tensor:
        ctx.save_for_backward(weight, scale, zero)
        ctx.span = span
        return (codes_of(weight, scale, zero, span) - zero) * scale

    @staticmethod
    def backward(ctx: Any, *given: torch.Tensor) -> Any:
        (grad,), (weight, scale, zero) = given, ctx.saved_tensors
        low, high = ctx.span
        places = weight / scale
        inside = (places + zero > low - 0.5) & (places + zero < high + 0.5)
        steps = codes_of(weight, scale, zero, ctx.span) - zero - places * inside
        return grad * inside, (grad * steps).sum(-1, keepdim=True), None, None


def codes_of(weight: torch.Tensor, scale: torch.Tensor, zero: torch.Tensor, span: tuple[int, int]) -> torch.Tensor:
    """Return the integers that weights `[rows, groups, size]` are stored as, as floats."""
    return (weight / scale + zero).round_().clamp_(*span)


class Rounded(nn.Module):
    """What stands between a weight and those who use it: what was learned is added, and the sum rounded to its grid.

    Learned are a matrix of low rank and a factor for each scale.
    """

    def __init__(self, numbers: Numbers, *, transposed: bool) -> None:
        """Take the numbers to start from. transposed: the module has the weight as `[columns, rows]`."""
        super().__init__()
        rows, groups, size = numbers.codes.shape
        rank = min(RANK, rows, groups * size)
        self.kind, self.span, self.transposed, self.on = numbers.kind, numbers.span, transposed, False
        self.start = nn.Buffer(torch.from_numpy(numbers.scale.copy()), persistent=False)
        self.zero = nn.Buffer(torch.from_numpy(numbers.zero.astype(np.float32)), persistent=False)
        self.factor = nn.Parameter(torch.zeros_like(self.start))
        self.down = nn.Parameter(torch.randn(rank, groups * size) / (groups * size) ** 0.5)
        self.up = nn.Parameter(torch.zeros(rows, rank))

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """Return the weight as the plan has it, or as it is where it is asked for as float."""
        if not self.on:
            return weight
        found: torch.Tensor = _Rounding.apply(self.learned(weight), self.scale, self.zero, self.span)  # type: ignore[no-untyped-call]
        plain = found.reshape(len(found), -1)
        return plain.T if self.transposed else plain

    @property
    def scale(self) -> torch.Tensor:
        """Return the scales as they are stored, in f16; gradients pass through."""
        exact = self.start * (1 + self.factor)
        return exact + (exact.half().float() - exact).detach()

    def learned(self, weight: torch.Tensor) -> torch.Tensor:
        """Return the weight with what was learned, `[rows, groups, size]`, before it is rounded."""
        whole = (weight.T if self.transposed else weight) + self.up @ self.down
        return whole.reshape(len(whole), self.start.shape[1], -1)

    @torch.no_grad()
    def numbers(self, weight: torch.Tensor) -> Numbers:
        """Return the numbers that the weight is stored with now."""
        scale = self.scale
        codes = codes_of(self.learned(weight), scale, self.zero, self.span)
        return Numbers(
            self.kind,
            *(part.numpy().astype(kind) for part, kind in zip((codes, scale, self.zero), _KINDS, strict=True)),
        )


_KINDS = (np.int8, np.float32, np.int8)


class Student:
    """A module, and its weights that are rounded, by the names that the plan's model has for them.

    The module is changed: its weights are frozen, and rounded while `rounding`.
    """

    def __init__(self, module: nn.Module, numbers: Mapping[str, Numbers], weights: Mapping[str, Array]) -> None:
        """Find the weights by their values, and put them on their grids; raises ModelError where too few are in the module."""
        self.module = module.eval().requires_grad_(requires_grad=False)
        places = dict(_matrices(module))
        self._rounded: dict[str, tuple[Rounded, torch.Tensor]] = {}
        for name, kept in numbers.items():
            weight = weights.get(name)
            key = None if weight is None else next((key for key in _keys(weight) if places.get(key)), None)
            if weight is None or key is None:
                continue
            owner, attribute = places[key].pop()
            plain = getattr(owner, attribute)
            made = Rounded(kept, transposed=key != _key(weight))
            parametrize.register_parametrization(owner, attribute, made)
            self._rounded[name] = made, plain.detach()
        if len(self._rounded) < max(1.0, (1 - MOST_LOST) * len(numbers)):
            raise ModelError(
                f"{len(self._rounded)} of the {len(numbers)} weights that the plan stores in four bits are weights of the module. Give "
                "as module what the model was exported from, with the same weights."
            )

    @property
    def names(self) -> Sequence[str]:
        """Return the names of the weights that learn."""
        return tuple(self._rounded)

    @property
    def parameters(self) -> list[nn.Parameter]:
        """Return what can be learned."""
        return [parameter for made, _ in self._rounded.values() for parameter in made.parameters()]

    @contextlib.contextmanager
    def rounding(self) -> Iterator[None]:
        """Have the weights rounded for a while."""
        for made, _ in self._rounded.values():
            made.on = True
        try:
            yield
        finally:
            for made, _ in self._rounded.values():
                made.on = False

    def state(self) -> dict[str, torch.Tensor]:
        """Return a copy of what was learned."""
        return {
            f"{name}/{key}": value.detach().clone()
            for name, (made, _) in self._rounded.items()
            for key, value in made.named_parameters()
        }

    @torch.no_grad()
    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """Take what `state` returned."""
        for name, (made, _) in self._rounded.items():
            for key, value in made.named_parameters():
                value.copy_(state[f"{name}/{key}"])

    def numbers(self) -> dict[str, Numbers]:
        """Return the numbers of each weight, as they are stored now."""
        return {name: made.numbers(weight) for name, (made, weight) in self._rounded.items()}


def _matrices(module: nn.Module) -> Iterator[tuple[bytes, list[tuple[nn.Module, str]]]]:
    """Yield what tells the values of each matrix of a module, and who has it: weights that are shared are left out."""
    found: dict[bytes, list[tuple[nn.Module, str]]] = {}
    users = dict[int, int]()
    owned = [
        (owner, name, value)
        for owner in module.modules()
        for name, value in owner.named_parameters(recurse=False)
        if value.dim() == 2 and value.is_floating_point()
    ]
    for _, _, value in owned:
        users[id(value)] = users.get(id(value), 0) + 1
    for owner, name, value in owned:
        if users[id(value)] == 1:
            found.setdefault(_key(value.detach().float().numpy()), []).append((owner, name))
    yield from found.items()


def _keys(weight: Array) -> list[bytes]:
    return [_key(weight), _key(weight.T)]


def _key(values: Array) -> bytes:
    """Return what tells a matrix by its values, as f16 holds them: what a file keeps may be that."""
    with np.errstate(over="ignore"):
        return sha256(repr(values.shape).encode() + np.ascontiguousarray(values, np.float16).tobytes()).digest()
