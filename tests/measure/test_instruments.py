"""What a plan is beside its score and its speed, and what all measurements of a run share."""

import pickle
from pathlib import Path
from typing import Any

from ovquant.domain.budget import Budget, Drop
from ovquant.measure.instruments import Local
from tests.measure.made import instruments, plan

BUDGET = Budget(Drop(0.3))


def entries(made: Local, kind: str) -> list[Any]:
    return [value for _, value in made.profile.entries(kind)]


def test_the_conditions_can_be_sent_without_samples_and_plugins(tmp_path: Path) -> None:
    made = instruments(tmp_path, [lambda outputs, targets: 0.5, "accuracy"])
    sent = pickle.loads(pickle.dumps(made.conditions))
    assert sent == made.conditions
    assert (len(sent.splits.search), len(sent.splits.search.dataset)) == (60, 0)
    assert sent.splits.holdout.content == made.models.splits.holdout.content
    assert [(metric.name, metric.plugin) for metric in sent.metrics] == [
        (item.name, None) for item in made.scorer.metrics
    ]
    assert (sent.objective, sent.metric_key) == ("latency", made.scorer.key)
    for item in (made.models.float_plan, made.models.reference_plan, plan()):
        assert sent.key(item) == made.models.key(item)
