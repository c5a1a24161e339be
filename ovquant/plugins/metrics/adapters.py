"""Let a plain function score(outputs, targets) be a metric."""

import copy
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np

from ovquant.domain.sample import Array, Outputs
from ovquant.errors import MetricError, OvquantError, UsageError
from ovquant.plugins.metrics.checks import callable_name, check_bounds, metric_name
from ovquant.plugins.metrics.outputs import SampleOutputs, split_outputs


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
        raise UsageError(f"'{name}' is not a function score(outputs, targets).")
    if not isinstance(getattr(function, "higher_is_better", True), (bool, np.bool_)):
        raise UsageError(f"'{name}.higher_is_better' must be True or False.")
    bounds = getattr(function, "bounds", None)
    if bounds is not None and not (isinstance(bounds, tuple | list) and len(bounds) == 2 and bounds[0] < bounds[1]):
        raise UsageError(f"'{name}.bounds' is {bounds!r}; give the least and the largest score, such as (0, 1).")
    if _against(function) not in ("targets", "float"):
        raise UsageError(f"'{name}.against' is '{_against(function)}'; choose 'targets' or 'float'.")


@dataclass(frozen=True)
class Streaming:
    """Score with a metric object that is updated with each sample and computed at the end.

    Each evaluation starts from a deep copy, reset if it can be; the object itself never changes. `update` gets one
    sample at a time with the batch axis: the output (a dict by name when the model has several) and the target as an
    array `[1, ...]`, or as a list of one when it is text or a mapping. Objects that are torch modules get tensors.
    Items hold the outputs, so memory grows with the data set.

    Raises UsageError when the object says that it does not know its direction: set `higher_is_better` on it.
    """

    metric: Any

    is_mean: ClassVar[bool] = False
    against: ClassVar[str] = "targets"

    def __post_init__(self) -> None:
        if not isinstance(getattr(self.metric, "higher_is_better", True), (bool, np.bool_)):
            raise UsageError(
                f"Metric '{metric_name(self)}' does not say which direction is better. Set its higher_is_better to "
                "True or False."
            )

    @property
    def higher_is_better(self) -> bool:
        """Tell the direction that the object declares; up when it declares none."""
        return bool(getattr(self.metric, "higher_is_better", True))

    def measure(self, outputs: Outputs, targets: Sequence[Any], /) -> list[tuple[SampleOutputs, Any]]:
        """Return (output, target) per sample, copied, since a caller may reuse the batch's memory."""
        samples = split_outputs(outputs, targets, metric=metric_name(self))
        return [(copy.deepcopy(sample), target) for sample, target in zip(samples, targets, strict=True)]

    def aggregate(self, items: Sequence[tuple[SampleOutputs, Any]], /) -> float:
        """Return what a fresh copy computes after all updates; raise MetricError if it fails or gives no number."""
        try:
            return self._computed(items)
        except OvquantError:
            raise
        except Exception as error:
            raise MetricError(f"Metric '{metric_name(self)}' failed: {type(error).__name__}: {error}") from error

    def _computed(self, items: Sequence[tuple[SampleOutputs, Any]]) -> float:
        fresh = copy.deepcopy(self.metric)
        if hasattr(fresh, "reset"):
            fresh.reset()
        convert = _tensors if _is_torch_module(fresh) else _unchanged
        for output, target in items:
            fresh.update(convert(output), convert(_batch_of_one(target)))
        result = fresh.compute()
        if isinstance(result, (str, bytes)) or not np.ndim(result) == 0:
            raise MetricError(f"Metric '{metric_name(self)}' computed {result!r:.80}; it must compute one number.")
        return float(result)


def _batch_of_one(target: Any) -> Any:
    array = np.asarray(target) if not isinstance(target, dict) else None
    return [target] if array is None or array.dtype.kind not in "biuf" else array[np.newaxis]


def _is_torch_module(metric: object) -> bool:
    # A torch module cannot exist before torch is imported, so torch need not be imported to ask.
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(metric, torch.nn.Module)


def _unchanged(value: Any) -> Any:
    return value


def _tensors(value: Any) -> Any:
    """Return arrays as tensors, also those within a dict or a list."""
    if isinstance(value, dict):
        return {name: _tensors(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_tensors(part) for part in value]
    if isinstance(value, np.ndarray):
        return sys.modules["torch"].from_numpy(np.ascontiguousarray(value))
    return value
