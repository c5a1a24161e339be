"""Check that functions and objects of a user become metrics, and the guard on scores."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ovquant.errors import MetricError, UsageError
from ovquant.plugins.metrics import PerSample, Streaming, WholeSet, WholeSetMetric, checked, resolve_metric
from ovquant.plugins.metrics.classification import Accuracy
from ovquant.plugins.protocols import Metric

OUTPUTS = np.array([[0.9, 0.1], [0.2, 0.8]])


def share(outputs: Any, targets: Any) -> float:
    """Score all samples at once."""
    return float(np.mean(outputs.argmax(axis=-1) == np.asarray(targets)))


def each(outputs: Any, targets: Any) -> Any:
    """Score each sample."""
    return outputs.argmax(axis=-1) == np.asarray(targets)


def test_a_function_scores_the_whole_set() -> None:
    metric = resolve_metric(share)
    assert metric == WholeSet(share)
    assert isinstance(metric, WholeSetMetric)
    assert not isinstance(metric, Metric)
    assert metric.higher_is_better
    assert metric.against == "targets"
    assert metric.score_all(OUTPUTS, [0, 0]) == (0.5, None)


def test_a_function_may_score_each_sample() -> None:
    value, items = WholeSet(each).score_all(OUTPUTS, [0, 0])
    assert value == 0.5
    assert items is not None
    assert items.tolist() == [1.0, 0.0]


def test_attributes_of_a_function() -> None:
    def loss(outputs: Any, targets: Any) -> Any:
        return [1.0] * len(targets)

    loss.per_sample = True  # type: ignore[attr-defined]
    loss.higher_is_better = False  # type: ignore[attr-defined]
    loss.against = "float"  # type: ignore[attr-defined]
    metric = resolve_metric(loss)
    assert isinstance(metric, PerSample)
    assert isinstance(metric, Metric)
    assert not metric.higher_is_better
    assert metric.against == "float"
    assert metric.measure(OUTPUTS, [0, 0]) == [1.0, 1.0]
    loss.against = "labels"  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="choose 'targets' or 'float'"):
        resolve_metric(loss)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (math.nan, "NaN or infinity"),
        ([1.0, math.inf], "for 1 of 2 samples"),
        ([1.0, 1.0, 1.0], r"shape \[3\] for 2 samples"),
        ("0.5", "returned str"),
        (None, "returned NoneType"),
        ({"score": 1}, "returned dict"),
        ([[1.0], [2.0, 3.0]], "returned list"),
    ],
)
def test_a_function_that_gives_no_score(result: Any, message: str) -> None:
    def odd(outputs: Any, targets: Any) -> Any:
        return result

    with pytest.raises(MetricError, match=f"odd.*{message}"):
        WholeSet(odd).score_all(OUTPUTS, [0, 1])
    with pytest.raises(MetricError, match="odd"):
        PerSample(odd).measure(OUTPUTS, [0, 1])


def test_a_function_that_raises() -> None:
    def broken(outputs: Any, targets: Any) -> float:
        raise KeyError("label")

    for call in (WholeSet(broken).score_all, PerSample(broken).measure):
        with pytest.raises(MetricError, match="broken' failed: KeyError: 'label'") as caught:
            call(OUTPUTS, [0, 1])
        assert isinstance(caught.value.__cause__, KeyError)


def test_per_sample_must_give_one_number_each() -> None:
    with pytest.raises(MetricError, match="one number per sample"):
        PerSample(share).measure(OUTPUTS[:1], [0])


class Counting:
    """A metric object that remembers what it saw."""

    higher_is_better: Any = False

    def __init__(self) -> None:
        self.seen: list[Any] = ["stale"]

    def reset(self) -> None:
        self.seen = []

    def update(self, outputs: Any, targets: Any) -> None:
        self.seen.append((np.shape(outputs), np.shape(targets), type(targets).__name__))

    def compute(self) -> float:
        return float(len(self.seen))


def test_an_object_with_update_and_compute() -> None:
    mine = Counting()
    metric = resolve_metric(mine)
    assert isinstance(metric, Streaming)
    assert not metric.higher_is_better
    items = metric.measure(OUTPUTS, [0, 1])
    assert metric.aggregate(items) == metric.aggregate(items) == 2.0
    assert mine.seen == ["stale"]


def test_update_gets_batches_of_one() -> None:
    class Keeping(Counting):
        def compute(self) -> float:
            seen.extend(self.seen)
            return 0.0

    seen: list[Any] = []
    metric: Any = resolve_metric(Keeping())
    for targets in ([0, 1], ["a", "b"], [{"boxes": 1}, {"boxes": 2}], list(np.zeros((2, 3)))):
        metric.aggregate(metric.measure(OUTPUTS, targets)[:1])
    assert seen == [
        ((1, 2), (1,), "ndarray"),
        ((1, 2), (1,), "list"),
        ((1, 2), (1,), "list"),
        ((1, 2), (1, 3), "ndarray"),
    ]


def test_torch_modules_get_tensors() -> None:
    torch = pytest.importorskip("torch")

    class Share(torch.nn.Module):  # type: ignore[misc, name-defined]
        higher_is_better = True

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("hits", torch.zeros(()))

        def update(self, outputs: Any, targets: Any) -> None:
            self.hits += (torch.argmax(outputs, dim=-1) == targets).sum()

        def compute(self) -> Any:
            return self.hits / 2

    metric: Any = resolve_metric(Share())
    assert metric.aggregate(metric.measure(OUTPUTS, [0, 0])) == 0.5


def test_an_object_that_fails() -> None:
    class Failing(Counting):
        def compute(self) -> Any:
            return [1.0, 2.0]

    metric: Any = resolve_metric(Failing())
    with pytest.raises(MetricError, match="must compute one number"):
        metric.aggregate(metric.measure(OUTPUTS, [0, 1]))
    unsure = Counting()
    unsure.higher_is_better = None
    with pytest.raises(UsageError, match="which direction"):
        resolve_metric(unsure)


def test_names_and_files(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from dataclasses import dataclass\n"
        "def score(outputs, targets):\n    return 1.0\n"
        "@dataclass(frozen=True)\nclass Half:\n"
        "    scale: float = 1.0\n    higher_is_better = True\n    is_mean = True\n    against = 'targets'\n"
        "    def measure(self, outputs, targets, /):\n        return [self.scale / 2] * len(targets)\n"
        "    def aggregate(self, items, /):\n        return sum(items) / len(items)\n"
    )
    assert resolve_metric("accuracy:k=5") == Accuracy(k=5)
    assert resolve_metric("ovquant.plugins.metrics.classification:Accuracy") == Accuracy()
    assert isinstance(resolve_metric(f"{file}:score"), WholeSet)
    half: Any = resolve_metric(f"{file}:Half:scale=4")
    assert half.measure(OUTPUTS, [0, 1]) == [2.0, 2.0]


def test_objects_and_classes() -> None:
    mine = Accuracy(k=2)
    assert resolve_metric(mine) is mine
    assert resolve_metric(Accuracy) == Accuracy()
    for other in (None, 3, object(), [share]):
        with pytest.raises(UsageError, match="is not a valid metric"):
            resolve_metric(other)


def test_unknown_target_kind() -> None:
    class Odd(Accuracy):
        against = "nothing"

    with pytest.raises(UsageError, match="must be targets or float"):
        resolve_metric(Odd())


def test_the_guard_lets_sound_values_through() -> None:
    items = [1.0, 0.0]
    assert checked(Accuracy(), items, samples=2) is items
    assert checked(Accuracy(), 0.5) == 0.5
    arrays = [(np.array([-np.inf]), 3)]
    assert checked(resolve_metric("f1"), arrays) is arrays


@pytest.mark.parametrize(
    ("metric", "values", "message"),
    [
        ("accuracy", [1.0, math.nan, math.inf], "gave nan for 2 of 3 samples"),
        ("accuracy", math.nan, "gave nan, which is not a valid score"),
        ("accuracy", None, "gave None"),
        ("accuracy", [(1, 2)], r"gave \(1, 2\) for 1 of 1"),
        ("perplexity", [(math.nan, 3), (1.0, 2)], r"for 1 of 2 samples"),
    ],
)
def test_the_guard_names_metric_and_samples(metric: str, values: Any, message: str) -> None:
    with pytest.raises(MetricError, match=f"(?i){metric}.*{message}"):
        checked(resolve_metric(metric), values)


def test_the_guard_counts_items() -> None:
    with pytest.raises(MetricError, match="2 items for 3 samples"):
        checked(Accuracy(), [1.0, 1.0], samples=3)
    with pytest.raises(MetricError, match="'share'"):
        checked(WholeSet(share), math.inf)
