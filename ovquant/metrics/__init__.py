"""Turn whatever a user gives as a metric into one that fits the protocol."""

from typing import Any

from ovquant.errors import UsageError
from ovquant.metrics.function import PerSample, WholeSet, WholeSetMetric, adapt_function
from ovquant.metrics.guarding import checked, metric_name
from ovquant.metrics.streaming import Streaming
from ovquant.protocols import Metric
from ovquant.registry import Registry, create

__all__ = ["PerSample", "Streaming", "WholeSet", "WholeSetMetric", "checked", "metric_name", "resolve_metric"]


def resolve_metric(metric: Any) -> Metric | WholeSetMetric:
    """Return a metric from a name, an object or a function.

    Taken are a registered name with options (`accuracy:k=5`), `FILE.py:NAME` or `package.module:NAME` of anything
    below, an object or class that fits `Metric` or `WholeSetMetric`, an object with `update(outputs, targets)` and
    `compute()`, and a function `score(outputs, targets)` (see `WholeSet` and `PerSample`).

    Raises UsageError for anything else, and PluginError for a registered plugin that is broken.
    """
    found = Registry("metrics").resolve(metric)
    if isinstance(found, type):
        found = create(found, {}, what=f"metric '{found.__name__}'")
    if isinstance(found, (Metric, WholeSetMetric)):
        return _known_target(found)
    if callable(getattr(found, "update", None)) and callable(getattr(found, "compute", None)):
        return Streaming(found)
    if callable(found):
        return adapt_function(found)
    raise UsageError(
        f"{metric!r:.80} is no metric. Give a name such as 'accuracy', FILE.py:NAME, an object with measure and aggregate, "
        "or with update and compute, or a function score(outputs, targets)."
    )


def _known_target(metric: Metric | WholeSetMetric) -> Metric | WholeSetMetric:
    if metric.against not in ("targets", "float"):
        raise UsageError(f"Metric '{metric_name(metric)}': against is '{metric.against}'; it must be targets or float.")
    return metric
