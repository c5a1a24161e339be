"""Data become splits; what does not fit the model or its metrics is found early."""

from typing import Any

import numpy as np
import pytest

from ovquant.api.data import check_data, open_splits
from ovquant.api.options import Options
from ovquant.api.prepare import prepare
from ovquant.domain.sample import Sample
from ovquant.domain.split import Splits
from ovquant.errors import DataError, MetricError
from tests.api.models import WIDTH, linear, samples, unlabelled


def splits_of(**roles: Any) -> Splits:
    return open_splits(roles.pop("data", samples(60)), Options(), **roles)


def test_splits_follow_the_options() -> None:
    told: list[tuple[str, int, int]] = []
    data = samples(120)
    settings = Options(seed=5, slice_by="target", group_by=lambda sample: str(sample.inputs[0])[:4])
    splits = open_splits(data, settings, progress=lambda *what: told.append(what))
    assert told[-1] == ("comparing samples by content", 120, 120)
    assert set(splits.search.slices) == {str(sample.target) for sample in data}
    assert set(splits.search.groups).isdisjoint(splits.holdout.groups)
    assert open_splits(data, Options(seed=5)).search.fingerprint != open_splits(data, Options()).search.fingerprint
    assert open_splits(data, Options()).search.slices == ()


def test_each_role_can_have_data_of_its_own() -> None:
    splits = open_splits(samples(60), Options(), calibration=samples(10, seed=2), holdout=samples(70, seed=3))
    assert [len(role) for role in (splits.search, splits.holdout, splits.calibration)] == [60, 70, 10]


def test_targets_that_are_missing_are_found_before_anything_is_measured() -> None:
    made = prepare(linear(), "accuracy", Options())
    check_data(made, splits_of(calibration=unlabelled(samples(10, seed=2))))
    with pytest.raises(MetricError, match="Accuracy needs targets and the search data have none"):
        check_data(made, splits_of(data=unlabelled(samples(60))))
    with pytest.raises(MetricError, match="Accuracy needs targets and the holdout data have none.*fidelity"):
        check_data(made, splits_of(holdout=unlabelled(samples(60, seed=2))))


def test_an_array_that_no_input_takes_may_be_the_targets() -> None:
    bare = [Sample({"x": sample.inputs, "labels": np.int64(sample.target)}) for sample in samples(60)]
    with pytest.raises(MetricError, match="takes 'labels', which they have: .* call them 'targets'"):
        check_data(prepare(linear(), "accuracy", Options()), splits_of(data=bare))


def test_a_metric_that_compares_with_float_needs_no_targets() -> None:
    check_data(prepare(linear(), "fidelity", Options()), splits_of(data=unlabelled(samples(60))))
    both = prepare(linear(), ["fidelity", "accuracy"], Options())
    with pytest.raises(MetricError, match="Accuracy needs targets"):
        check_data(both, splits_of(data=unlabelled(samples(60))))


@pytest.mark.parametrize("role", ["calibration", "holdout"])
def test_samples_that_do_not_fit_the_model_are_named_with_their_role(role: str) -> None:
    wide = [Sample(np.full(WIDTH + 1, place, np.float32), 0) for place in range(60)]
    with pytest.raises(DataError, match=f"first sample of the {role} data"):
        check_data(prepare(linear(), "accuracy", Options()), splits_of(**{role: wide}))
