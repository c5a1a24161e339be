"""PyTorch modules with NNCF's quantizers in them, for training."""

import copy
from collections.abc import Sequence
from typing import Any

import nncf
from torch import nn

from ovquant.domain.recipe import Recipe
from ovquant.errors import ModelError, UsageError
from ovquant.graph.causes import first_cause
from ovquant.quantization.build import quiet_nncf


class Contained(nn.Module):
    """A module that calls another: NNCF puts a child into the root, which an nn.Sequential would call as one of its own."""

    def __init__(self, module: nn.Module) -> None:
        """Take the module."""
        super().__init__()
        self.module = module

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Return what the module returns."""
        return self.module(*inputs, **named)


def fake_quantized(module: nn.Module, requests: Sequence[Any], recipe: Recipe) -> nn.Module:
    """Return a copy of a module with quantizers in it, calibrated on requests: a tensor, a tuple or a mapping of them each."""
    if recipe != Recipe(preset=recipe.preset, model_type=recipe.model_type):
        raise UsageError("A module takes the recipes default, mixed and transformer, or several joined by +.")
    own = copy.deepcopy(module).eval()
    root = Contained(own) if isinstance(own, nn.Sequential) else own
    with quiet_nncf():
        try:
            made: nn.Module = nncf.quantize(
                root,
                nncf.Dataset(requests),
                preset=nncf.QuantizationPreset(recipe.preset),
                model_type=None if recipe.model_type == "any" else nncf.ModelType(recipe.model_type),
                subset_size=len(requests),
            )
        except Exception as error:
            # Whatever a module of the user's raises is what NNCF met.
            raise ModelError(f"NNCF cannot put quantizers into the module: {first_cause(error)}") from error
    return made
