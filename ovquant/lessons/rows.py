"""Samples to a batch of tensors, and a module's outputs for it."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from ovquant.errors import DataError

Batch = dict[str | int, torch.Tensor]
"""Tensors by the names of a module's inputs, or by their places."""


def batch_of(rows: Sequence[Any]) -> Batch:
    """Return samples together; each is an array, a sequence or a mapping of them, with the batch axis.

    Token ids, and what goes along with them, are cut to the length that all have. Raises DataError for others that differ in shape.
    """
    named = [_by_place(row) for row in rows]
    return {key: _joined([row[key] for row in named], key) for key in named[0]}


def _by_place(row: Any) -> dict[str | int, Any]:
    if isinstance(row, Mapping):
        return dict(row)
    return dict(enumerate([row] if isinstance(row, np.ndarray) else row))


def _joined(arrays: Sequence[np.ndarray[Any, Any]], key: str | int) -> torch.Tensor:
    shapes = {array.shape[1:] for array in arrays}
    if len(shapes) > 1:
        ranks = {len(shape) for shape in shapes}
        if len(ranks) > 1 or any(array.dtype.kind != "i" for array in arrays):
            shown = " and ".join(sorted(str(list(shape)) for shape in shapes)[:2])
            raise DataError(
                f"Samples that are trained on together have the shapes {shown} for the input '{key}'. Give data of one shape, or train "
                "on one sample at a time (batch=1)."
            )
        least = [min(sizes) for sizes in zip(*shapes, strict=True)]
        arrays = [array[(slice(None), *(slice(size) for size in least))] for array in arrays]
    return torch.from_numpy(np.concatenate(arrays))


def called(module: nn.Module) -> Callable[[Batch], list[torch.Tensor]]:
    """Return what calls a module with a batch and returns its outputs that are floats: the logits of a language model, or all."""
    parameters = inspect.signature(module.forward).parameters
    takes_all = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values())
    # Past keys and values are nothing to learn from.
    plain = {"use_cache": False} if "use_cache" in parameters else {}

    def call(batch: Batch) -> list[torch.Tensor]:
        given = {key: value for key, value in batch.items() if isinstance(key, str)}
        named = {key: value for key, value in given.items() if key in parameters} or (given if takes_all else {})
        places = [batch[key] for key in sorted(key for key in batch if isinstance(key, int))]
        if not named and not places:
            # The only name is the data's own.
            places = list(batch.values())
        return outputs_of(module(*places, **named, **plain))

    return call


def outputs_of(given: Any) -> list[torch.Tensor]:
    """Return the tensors of floats among what a module returned; of logits and others the logits."""
    if isinstance(given, torch.Tensor):
        return [given.float()] if given.is_floating_point() else []
    if isinstance(given, Mapping):
        for name in ("logits", "last_hidden_state"):
            if isinstance(given.get(name), torch.Tensor):
                return [given[name].float()]
        given = list(given.values())
    return [tensor for item in given for tensor in outputs_of(item)] if isinstance(given, list | tuple) else []
