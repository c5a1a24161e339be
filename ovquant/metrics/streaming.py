"""Let an object with update(outputs, targets) and compute(), such as those of torchmetrics, be a metric."""

import copy
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ovquant.errors import MetricError, OvquantError, UsageError
from ovquant.metrics.guarding import metric_name
from ovquant.metrics.outputs import SampleOutputs, split_outputs
from ovquant.protocols import Outputs


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
