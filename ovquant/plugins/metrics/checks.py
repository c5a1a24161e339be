"""Turn scores and items that are not numbers into errors that name the metric."""

import math
import numbers
from collections.abc import Sequence
from typing import Any, TypeVar

from ovquant.errors import MetricError

Values = TypeVar("Values", bound=float | Sequence[Any])


def metric_name(metric: object) -> str:
    """Return the name of a metric for messages: its class, or the function or object it wraps."""
    for attribute in ("function", "metric"):
        wrapped = getattr(metric, attribute, None)
        if wrapped is not None:
            return callable_name(wrapped)
    return type(metric).__name__


def callable_name(function: object) -> str:
    """Return the name of a function, or of the class of a callable object."""
    return str(getattr(function, "__qualname__", type(function).__name__))


def checked(metric: object, values: Values, *, samples: int | None = None) -> Values:
    """Return a score, or the items of `measure`, unchanged if they are sound.

    The items of a mean must be finite numbers; in other items, numbers and tuples of numbers are looked at and
    arrays are not, since they may hold raw outputs. `samples` is the number of items that there must be.
    Raises MetricError naming the metric and how many samples are affected.
    """
    if not isinstance(values, Sequence):
        _check_score(metric, values)
        return values
    name = metric_name(metric)
    if samples is not None and len(values) != samples:
        raise MetricError(f"Metric '{name}' gave {len(values)} items for {samples} samples; it must give one each.")
    is_mean = bool(getattr(metric, "is_mean", False))
    bounds = getattr(metric, "bounds", None) if is_mean else None
    if bounds is not None:
        check_bounds(name, values, bounds)
    odd = [item for item in values if not (_is_finite(item) if is_mean else _has_finite_numbers(item))]
    if odd:
        raise MetricError(
            f"Metric '{name}' gave {_shown(odd[0])} for {len(odd)} of {len(values)} samples. "
            "Check the model's outputs for NaN and overflow, and the targets."
        )
    return values


def check_bounds(name: str, values: Sequence[Any], bounds: tuple[float, float]) -> None:
    """Raise MetricError for the score of a sample that is outside the bounds it is said to have."""
    slack = 1e-6 * (bounds[1] - bounds[0])
    beyond = [item for item in values if _is_finite(item) and not bounds[0] - slack <= item <= bounds[1] + slack]
    if beyond:
        raise MetricError(
            f"Metric '{name}' gave {_shown(beyond[0])}, which is outside its bounds {bounds[0]:g} and {bounds[1]:g}. "
            "Correct its bounds, or take them away: then no drop is certified."
        )


def _check_score(metric: object, score: object) -> None:
    if not _is_finite(score):
        raise MetricError(
            f"Metric '{metric_name(metric)}' gave {_shown(score)}, which is not a valid score. "
            "Check the model's outputs for NaN and overflow, and the targets."
        )


def _shown(value: object) -> str:
    return str(value) if isinstance(value, numbers.Number) else repr(value)


def _is_finite(value: object) -> bool:
    if isinstance(value, numbers.Real):
        return math.isfinite(value)
    # An array of no dimensions is a number too; every other array is not.
    return getattr(value, "shape", None) == () and math.isfinite(float(value))  # type: ignore[arg-type]


def _has_finite_numbers(item: object) -> bool:
    parts = item if isinstance(item, tuple) else (item,)
    return all(_is_finite(part) for part in parts if isinstance(part, numbers.Real))
