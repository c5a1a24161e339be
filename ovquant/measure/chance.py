"""Scores that guessing would reach: most often the labels or the preprocessing are not the model's."""

from collections.abc import Sequence

from ovquant.measure.evaluate import Evaluation
from ovquant.plugins.metrics import ResolvedMetric
from ovquant.stats.exact import binomial_p_value

SURE = 0.05
"""The level at which a score must be above that of guessing."""


def chance_notes(
    metrics: Sequence[ResolvedMetric],
    found: Sequence[Evaluation],
    classes: int,
    whose: str,
    doubts: Sequence[str] = (),
) -> list[str]:
    """Say, once, that a model's score cannot be told from that of guessing, and why that may be.

    found: its scores by the metrics; classes: how many classes the data have, 0 where targets are none; doubts: what else is
    odd about the data.
    """
    for metric, evaluation in zip(metrics, found, strict=True):
        chance = chance_of(metric, classes)
        if chance and evaluation.items and set(evaluation.items) <= {0.0, 1.0}:
            right = round(sum(evaluation.items))
            if binomial_p_value(right, evaluation.samples, chance) > SURE:
                return [
                    f"{whose[0].upper()}{whose[1:]} scores {evaluation.score:.4g} in {metric.name} on {evaluation.samples} "
                    f"samples, which cannot be told from guessing among the {classes} classes of the data ({chance:.3g}). "
                    "Likely the labels are in another order than the model's outputs, which classes=a;b;c or your data can "
                    f"give, or the preprocessing (scale, mean, std, color, size) is not the model's.{''.join(f' {item}' for item in doubts)}"
                ]
    return []


def chance_of(metric: ResolvedMetric, classes: int) -> float:
    """Return the score of guessing by a metric that counts right answers, or 0 where it has none."""
    if classes < 2 or metric.compares_with_float or not metric.higher_is_better or metric.guesses >= classes:
        return 0.0
    return metric.guesses / classes
