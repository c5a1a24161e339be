"""Let a plain function score(outputs, targets) be a metric."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np

from ovquant.errors import MetricError, OvquantError, UsageError
from ovquant.metrics.guarding import callable_name, check_bounds
from ovquant.protocols import Array, Outputs


@runtime_checkable
class WholeSetMetric(Protocol):
    """A metric that needs the outputs of all samples at once."""

    @property
    def higher_is_better(self) -> bool: ...

    @property
    def against(self) -> str: ...

    def score_all(self, outputs: Outputs, targets: Sequence[Any], /) -> tuple[float, Array | None]:
        """Return the score, and the score of each sample when it is their mean."""


@dataclass(frozen=True)
class WholeSet:
    """Score with a function that gets the outputs and targets of all samples at once.

    The function gets the model's output stacked `[n, ...]` (a list of per-sample arrays when shapes differ or axis 0 is not
    the batch, as with detections `[k, 5]`; a dict by name when the model has several) and the list of targets. It returns
    one number, or one per sample, which are averaged.
    `function.higher_is_better = False` turns the direction round; `function.against = "float"` asks for the float model's
    outputs as targets; `function.bounds = (0, 1)` says what the scores of samples lie between, so that a drop can be
    certified.
    """

    function: Callable[[Any, Sequence[Any]], Any]

    def __post_init__(self) -> None:
        _check_attributes(self.function)

    @property
    def higher_is_better(self) -> bool:
        """Tell the direction that the function declares; up when it declares none."""
        return _higher_is_better(self.function)

    @property
    def against(self) -> str:
        """Tell what the function compares with; targets when it declares nothing."""
        return _against(self.function)

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Return the least and the largest score of a sample, where the function declares them."""
        return getattr(self.function, "bounds", None)

    def score_all(self, outputs: Outputs, targets: Sequence[Any], /) -> tuple[float, Array | None]:
        """Return the score, and the samples' scores `[n]` if the function gave those; raise MetricError otherwise."""
        result = _numbers(self.function, outputs, targets)
        if result.ndim == 0:
            return float(result), None
        _check_length(self.function, result, len(targets), "one number, or one per sample")
        if self.bounds is not None:
            check_bounds(callable_name(self.function), list(result), self.bounds)
        return float(np.mean(result)), result


@dataclass(frozen=True)
class PerSample:
    """Score with a function that gets batch after batch and returns one number per sample (`per_sample = True`)."""

    function: Callable[[Any, Sequence[Any]], Any]

    is_mean: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_attributes(self.function)

    @property
    def higher_is_better(self) -> bool:
        """Tell the direction that the function declares; up when it declares none."""
        return _higher_is_better(self.function)

    @property
    def against(self) -> str:
        """Tell what the function compares with; targets when it declares nothing."""
        return _against(self.function)

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Return the least and the largest score of a sample, where the function declares them."""
        return getattr(self.function, "bounds", None)

    def measure(self, outputs: Outputs, targets: Sequence[Any], /) -> list[float]:
        """Return the function's number per sample; raise MetricError when it gives anything else."""
        result = _numbers(self.function, outputs, targets)
        _check_length(self.function, result, len(targets), "one number per sample")
        return [float(value) for value in result]

    def aggregate(self, items: Sequence[float], /) -> float:
        """Return the mean of the items."""
        return float(np.mean(items))


def adapt_function(function: Callable[[Any, Sequence[Any]], Any]) -> WholeSet | PerSample:
    """Return the metric that a function stands for; `function.per_sample` says which."""
    return PerSample(function) if getattr(function, "per_sample", False) else WholeSet(function)


def _numbers(function: Callable[..., Any], outputs: Outputs, targets: Sequence[Any]) -> Array:
    name = callable_name(function)
    try:
        result = function(outputs, targets)
    except OvquantError:
        raise
    except Exception as error:
        raise MetricError(
            f"The metric function '{name}' failed: {type(error).__name__}: {error}. Correct it, or check that it suits the outputs and targets."
        ) from error
    values = _as_floats(result)
    if values is None:
        raise MetricError(
            f"The metric function '{name}' returned {type(result).__name__} {result!r:.80}; return one number, or one "
            "per sample."
        )
    bad = int(np.count_nonzero(~np.isfinite(values)))
    if bad:
        where = f" for {bad} of {values.size} samples" if values.ndim else ""
        raise MetricError(f"The metric function '{name}' returned NaN or infinity{where}. Check outputs and targets.")
    return values


def _as_floats(result: Any) -> Array | None:
    """Return the numbers, or None: numpy would read text, None and mappings as numbers or objects of its own."""
    try:
        raw = np.asarray(result)
    except (TypeError, ValueError, RuntimeError):
        return None
    return raw.astype(np.float64) if raw.dtype.kind in "biuf" else None


def _check_length(function: Callable[..., Any], result: Array, samples: int, wanted: str) -> None:
    if result.shape != (samples,):
        raise MetricError(
            f"The metric function '{callable_name(function)}' returned numbers of shape {list(result.shape)} for {samples} "
            f"samples; it must return {wanted}."
        )


def _higher_is_better(function: object) -> bool:
    return bool(getattr(function, "higher_is_better", True))


def _against(function: object) -> str:
    return str(getattr(function, "against", "targets"))


def _check_attributes(function: object) -> None:
    name = callable_name(function)
    if not callable(function):
        raise UsageError(f"'{name}' is no function score(outputs, targets).")
    if not isinstance(getattr(function, "higher_is_better", True), (bool, np.bool_)):
        raise UsageError(f"'{name}.higher_is_better' must be True or False.")
    bounds = getattr(function, "bounds", None)
    if bounds is not None and not (isinstance(bounds, tuple | list) and len(bounds) == 2 and bounds[0] < bounds[1]):
        raise UsageError(f"'{name}.bounds' is {bounds!r}; give the least and the largest score, such as (0, 1).")
    if _against(function) not in ("targets", "float"):
        raise UsageError(f"'{name}.against' is '{_against(function)}'; choose 'targets' or 'float'.")
