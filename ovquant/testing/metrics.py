"""Hold a metric to its protocol."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest

from ovquant.domain.sample import Outputs
from ovquant.plugins.metrics import checked
from ovquant.plugins.protocols import Metric
from ovquant.testing.plugins import PluginContract, same


class MetricCase(NamedTuple):
    """A batch of at least three samples: outputs that fit the targets perfectly, and worse ones."""

    outputs: Outputs
    targets: Sequence[Any]
    worse: Outputs


class MetricContract(PluginContract):
    """Check a metric. Give the fixtures `metric`, an instance, and `case`, a MetricCase for it."""

    @pytest.fixture
    def metric(self) -> Metric:
        """Return the metric."""
        raise NotImplementedError("Override the fixture 'metric'.")

    @pytest.fixture
    def case(self) -> MetricCase:
        """Return outputs and targets for the metric."""
        raise NotImplementedError("Override the fixture 'case'.")

    @pytest.fixture
    def plugin(self, metric: Metric) -> Any:
        """Return the metric."""
        return metric

    def test_fits_the_protocol(self, metric: Metric) -> None:
        assert isinstance(metric, Metric)
        assert isinstance(metric.higher_is_better, bool)
        assert isinstance(metric.is_mean, bool)
        assert metric.against in ("targets", "float")

    def test_measures_one_item_per_sample(self, metric: Metric, case: MetricCase) -> None:
        assert len(case.targets) >= 3, "the case must hold at least three samples"
        checked(metric, metric.measure(case.outputs, case.targets), samples=len(case.targets))

    def test_order_changes_nothing(self, metric: Metric, case: MetricCase) -> None:
        items = list(metric.measure(case.worse, case.targets))
        assert metric.aggregate(items[::-1]) == pytest.approx(metric.aggregate(items))

    @pytest.mark.parametrize("batch", [1, 2])
    def test_batch_boundaries_change_nothing(self, metric: Metric, case: MetricCase, batch: int) -> None:
        whole = metric.measure(case.worse, case.targets)
        assert metric.aggregate(_measure_by(metric, case, batch)) == pytest.approx(metric.aggregate(whole))

    def test_a_mean_is_the_mean_of_its_items(self, metric: Metric, case: MetricCase) -> None:
        items = metric.measure(case.worse, case.targets)
        if metric.is_mean:
            assert metric.aggregate(items) == pytest.approx(float(np.mean(items)))

    def test_score_is_a_finite_float(self, metric: Metric, case: MetricCase) -> None:
        score = metric.aggregate(metric.measure(case.worse, case.targets))
        assert isinstance(score, float)
        checked(metric, score)

    def test_perfect_outputs_beat_worse_ones(self, metric: Metric, case: MetricCase) -> None:
        perfect = metric.aggregate(metric.measure(case.outputs, case.targets))
        worse = metric.aggregate(metric.measure(case.worse, case.targets))
        assert (perfect > worse) if metric.higher_is_better else (perfect < worse), (perfect, worse)

    def test_outputs_and_targets_stay_as_they_are(self, metric: Metric, case: MetricCase) -> None:
        before = copy.deepcopy(case)
        metric.aggregate(metric.measure(case.outputs, case.targets))
        assert same(before.outputs, case.outputs), "measure changed the outputs"
        assert same(before.targets, case.targets), "measure changed the targets"

    def test_items_outlive_the_batch(self, metric: Metric, case: MetricCase) -> None:
        outputs = copy.deepcopy(case.worse)
        items = metric.measure(outputs, case.targets)
        before = metric.aggregate(items)
        _overwrite(outputs)
        assert metric.aggregate(items) == pytest.approx(before), "items must not be views of the outputs"

    def test_aggregating_twice_gives_the_same(self, metric: Metric, case: MetricCase) -> None:
        items = metric.measure(case.worse, case.targets)
        assert metric.aggregate(items) == metric.aggregate(items)


def _measure_by(metric: Metric, case: MetricCase, batch: int) -> list[Any]:
    items: list[Any] = []
    for begin in range(0, len(case.targets), batch):
        stop = begin + batch
        items.extend(metric.measure(_slice(case.worse, begin, stop), case.targets[begin:stop]))
    return items


def _slice(outputs: Outputs, begin: int, stop: int) -> Outputs:
    if isinstance(outputs, Mapping):
        return {name: values[begin:stop] for name, values in outputs.items()}
    return outputs[begin:stop]


def _overwrite(outputs: Outputs) -> None:
    columns = list(outputs.values()) if isinstance(outputs, Mapping) else [outputs]
    for column in columns:
        for array in [column] if isinstance(column, np.ndarray) else column:
            array[...] = np.zeros((), dtype=array.dtype)
