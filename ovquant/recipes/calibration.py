"""Recipes for how activation ranges are found: how many samples, and which estimator."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from ovquant.plans import Recipe


@dataclass(frozen=True)
class Ranges:
    """Estimate the range of activations by another rule than the mean of the samples' extremes."""

    rank: ClassVar[int] = 50
    estimator: Literal["default", "minmax", "mean-minmax", "mean-quantile", "histogram"] = "minmax"

    def extend(self, recipe: Recipe) -> Recipe:
        """Return the recipe with this estimator."""
        return replace(recipe, activation_range=self.estimator)

    @staticmethod
    def offers(operation_types: Mapping[str, int]) -> Sequence[str]:
        """Offer the extremes of all samples; quantiles and histograms take minutes to find."""
        return [""]


@dataclass(frozen=True)
class Calibration:
    """Draw ranges from another number of samples: more catch outliers, fewer leave them out."""

    rank: ClassVar[int] = 58
    size: int = 300

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"size is {self.size}; it counts samples and is at least 1")

    def extend(self, recipe: Recipe) -> Recipe:
        """Return the recipe with this calibration size."""
        return replace(recipe, calibration_size=self.size)

    @staticmethod
    def offers(operation_types: Mapping[str, int]) -> Sequence[str]:
        """Offer NNCF's own default, three times ours: it takes three times as long and is not always better."""
        return ["size=300"]
