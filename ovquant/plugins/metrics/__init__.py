"""Turn whatever a user gives as a metric into one that fits the protocol."""

from collections.abc import Sequence
from typing import Any

from ovquant.errors import UsageError
from ovquant.plugins.metrics.adapters import PerSample, Streaming, WholeSet, WholeSetMetric, adapt_function
from ovquant.plugins.metrics.checks import checked, metric_name
from ovquant.plugins.metrics.resolved import ResolvedMetric
from ovquant.plugins.protocols import Metric
from ovquant.plugins.registry import Registry
from ovquant.plugins.spec import create

__all__ = [
    "PerSample",
    "ResolvedMetric",
    "Streaming",
    "WholeSet",
    "WholeSetMetric",
    "checked",
    "metric_name",
    "resolve_metric",
    "resolve_metrics",
]


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
        f"{metric!r:.80} is not a valid metric. Give a name such as 'accuracy', FILE.py:NAME, an object with measure and aggregate, "
        "or with update and compute, or a function score(outputs, targets)."
    )


def resolve_metrics(given: Any) -> tuple[ResolvedMetric, ...]:
    """Return the metrics of a run from one or several, each as `resolve_metric` takes it; the primary one comes first.

    What is resolved is taken as it is. Each is called by its own name, or by what was given where two have the same one. Raises UsageError for two that are the
    same, and what `resolve_metric` raises.
    """
    wanted = list(given) if isinstance(given, list | tuple) else [given]
    if wanted and all(isinstance(item, ResolvedMetric) for item in wanted):
        return tuple(wanted)
    plugins = [resolve_metric(item) for item in wanted]
    texts = [item if isinstance(item, str) else "" for item in wanted]
    names = _names(plugins, texts)
    return tuple(
        ResolvedMetric.of(plugin, name=name, given=text)
        for plugin, name, text in zip(plugins, names, texts, strict=True)
    )


def _names(plugins: Sequence[Any], texts: Sequence[str]) -> list[str]:
    own = [metric_name(plugin) for plugin in plugins]
    names = [text if own.count(name) > 1 and text else name for text, name in zip(texts, own, strict=True)]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise UsageError(f"The metric {twice[0]} is given twice; give each once.")
    return names


def _known_target(metric: Metric | WholeSetMetric) -> Metric | WholeSetMetric:
    if metric.against not in ("targets", "float"):
        raise UsageError(f"Metric '{metric_name(metric)}': against is '{metric.against}'; it must be targets or float.")
    return metric
