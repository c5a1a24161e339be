"""Data that are other data each time they are read are refused; a shuffled order is not."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import openvino
import pytest
import torch
from openvino import opset13 as ops

import ovquant
from ovquant import Sample
from ovquant.errors import DataError

WIDTH, CLASSES = 16, 4
QUICK: dict[str, Any] = {"strategy": "first", "recipes": ["default"], "optimize": "size"}


def linear() -> openvino.Model:
    port = ops.parameter([-1, WIDTH], np.float32)
    port.output(0).get_tensor().set_names({"x"})
    kernel = ops.constant(np.random.default_rng(0).standard_normal((WIDTH, CLASSES)).astype(np.float32))
    return openvino.Model([ops.matmul(port, kernel, False, False)], [port], "linear")


class Images(torch.utils.data.Dataset):  # type: ignore[type-arg]
    """Rows of numbers, with what is put on each as it is read."""

    def __init__(self, augment: Callable[[int], Any], count: int = 120) -> None:
        self.rows = torch.from_numpy(np.random.default_rng(1).standard_normal((count, WIDTH)).astype(np.float32))
        self.augment = augment

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.rows[index] + self.augment(index), index % CLASSES


def loader(augment: Callable[[int], Any] = lambda index: 0, **how: Any) -> Any:
    return torch.utils.data.DataLoader(Images(augment), batch_size=8, **how)


def at_random(index: int) -> torch.Tensor:
    return torch.randn(WIDTH)


def seeded(index: int) -> torch.Tensor:
    return torch.randn(WIDTH, generator=torch.Generator().manual_seed(index))


def kept(index: int, held: dict[int, torch.Tensor] = {}) -> torch.Tensor:  # noqa: B006
    """The last sample that was made is kept, as a cache of one does."""
    if index not in held:
        held.clear()
        held[index] = torch.randn(WIDTH)
    return held[index]


def few(index: int) -> Any:
    return at_random(index) if index == 20 else 0


@pytest.mark.parametrize("augment", [at_random, kept, few])
def test_a_loader_that_augments_at_random_is_refused(augment: Callable[[int], Any]) -> None:
    remedy = r"Sample \d+ of the data has other inputs each time.*seed it"
    with pytest.raises(DataError, match=remedy):
        ovquant.quantize(linear(), data=loader(augment), metric="fidelity", max_drop=0.5, **QUICK)
    with pytest.raises(DataError, match=remedy):
        ovquant.evaluate(linear(), data=loader(augment), metric="fidelity", reference=linear())
    compiled = openvino.Core().compile_model(linear(), "CPU")
    with pytest.raises(DataError, match=remedy):
        ovquant.guard(compiled, compiled, data=loader(augment))


@pytest.mark.parametrize("role", ["holdout", "calibration"])
def test_every_role_of_data_is_read_again(role: str) -> None:
    others = Images(at_random, 60)
    others.rows += 1
    with pytest.raises(DataError, match="other inputs each time"):
        ovquant.quantize(linear(), data=loader(), metric="fidelity", max_drop=0.5, **{role: others}, **QUICK)


def test_a_seed_or_another_order_is_no_error() -> None:
    for data in (loader(seeded), loader(shuffle=True), loader(seeded, shuffle=True)):
        found = ovquant.evaluate(linear(), data=data, metric="fidelity", reference=linear())
        assert found.evaluation.score == 1
    result = ovquant.quantize(linear(), data=loader(shuffle=True), metric="fidelity", max_drop=0.5, **QUICK)
    assert result.trials[-1].problem == ""


@dataclass
class Boxes:
    corners: np.ndarray


class Marks:
    def __init__(self, place: int) -> None:
        self.place = np.array([place])


TARGETS: list[Callable[[int], Any]] = [
    lambda value: np.full(3, value),
    lambda value: {"boxes": np.full((2, 4), value), "labels": [1, 2]},
    lambda value: [("text", value), None],
    lambda value: f"text {value}",
    lambda value: float(value),
    lambda value: Boxes(np.full((2, 4), value)),
    lambda value: Marks(value),
    lambda value: np.array([{"a": value}, None], object),
    lambda value: None if value else "some",
]


@pytest.mark.parametrize("target", TARGETS)
def test_targets_of_every_kind_are_compared(target: Callable[[int], Any]) -> None:
    from ovquant.domain.repetition import check_repetition

    class Data:
        reads = 0
        changing = False

        def __len__(self) -> int:
            return 40

        def __getitem__(self, index: int) -> Sample:
            Data.reads += 1
            return Sample(np.ones(3), target(int(Data.changing and Data.reads > 35)))

    check_repetition(Data())
    Data.reads, Data.changing = 0, True
    with pytest.raises(DataError, match="Sample 3 of the data has other target"):
        check_repetition(Data())


def test_what_is_alike_is_the_same() -> None:
    from ovquant.domain.repetition import check_repetition

    class Data:
        def __len__(self) -> int:
            return 2

        def __getitem__(self, index: int) -> Sample:
            return Sample({"a": np.array([np.nan, index])}, [float("nan"), np.array([np.nan]), Marks(1), None])

    check_repetition(Data())


def test_another_type_is_other_content() -> None:
    from ovquant.domain.repetition import check_repetition

    values = iter([np.zeros(2), np.zeros(2, np.float32)])

    class Data:
        def __len__(self) -> int:
            return 1

        def __getitem__(self, index: int) -> Sample:
            return Sample(next(values))

    with pytest.raises(DataError, match="other inputs"):
        check_repetition(Data())
