"""Run the public contract suite on every built-in recipe part."""

from typing import Any

import pytest

from ovquant.plugins.registry import Registry
from ovquant.testing import RecipePartContract

PARTS = (
    "accuracy-control",
    "bf16",
    "bias",
    "bias:correction=none",
    "calibration",
    "calibration:size=12",
    "default",
    "dynamic-quantization",
    "dynamic-quantization:group_size=0",
    "f16",
    "f32",
    "keep-float",
    "keep-float:types=Softmax;MVN",
    "kv-cache",
    "kv-cache:precision=f32",
    "mixed",
    "ranges",
    "ranges:estimator=histogram",
    "as-read",
    "seven-bits",
    "seven-bits:layers=none",
    "smooth-convolutions",
    "smooth-convolutions:alpha=0.7",
    "train",
    "train:seconds=30",
    "trained",
    "transformer",
    "transformer:smooth=0.6",
    "weights",
    "weights:bits=4,group_size=32,awq=true",
)


@pytest.mark.parametrize("text", PARTS)
class TestBuiltIn(RecipePartContract):
    """Every built-in recipe part, with its options as text."""

    @pytest.fixture
    def part(self, text: str) -> Any:
        return Registry("recipes").resolve(text)
