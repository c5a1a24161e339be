"""Saved models run as they do in the process that measures, at the properties that are told for each."""

from pathlib import Path

import numpy as np
import openvino
import pytest

from ovquant.domain.recipe import Recipe
from ovquant.errors import DataError
from ovquant.measure.replica import Replica
from ovquant.measure.score import Scorer
from ovquant.plugins.metrics import resolve_metrics
from ovquant.runtime import REFERENCE
from tests.measure.made import DEPLOYMENT, models, plan, splits

WEIGHTS = plan(recipe=Recipe(algorithm="weights"))


def test_float_in_f32_is_compared_with_whatever_the_plan_is_served_with(tmp_path: Path) -> None:
    made, metrics = models(tmp_path, metric="fidelity:by=cosine"), resolve_metrics("fidelity:by=cosine")
    replica, here = Replica(made.splits, metrics, DEPLOYMENT), Scorer(made, metrics)
    truth, data = made.reference_plan, made.splits.search
    # Float's file is that of its reference, at other properties.
    for each in (made.float_plan, truth, WEIGHTS):
        paths, properties = (made.build(each), made.build(truth)), (each.properties, truth.properties)
        found = replica.evaluation(*paths, each.title, *properties, "search", None, data.fingerprint)
        assert found == here.evaluation(each, "search")
    assert replica.evaluation(
        made.build(truth),
        made.build(truth),
        "float",
        truth.properties,
        truth.properties,
        "search",
        None,
        data.fingerprint,
    )[0].score == pytest.approx(1, abs=1e-6)


def test_how_far_outputs_are_from_floats(tmp_path: Path) -> None:
    made = models(tmp_path)
    replica, truth = Replica(made.splits, resolve_metrics("accuracy"), DEPLOYMENT), made.reference_plan
    far, near = (
        replica.divergence(made.build(each), made.build(truth), each.title, each.properties, truth.properties)
        for each in (WEIGHTS, truth)
    )
    assert near == 0
    assert 0 < far < 0.1


def test_properties_beside_those_of_a_plan_are_compiled_with(tmp_path: Path) -> None:
    made = models(tmp_path)
    replica = Replica(made.splits, resolve_metrics("accuracy"), DEPLOYMENT, {"INFERENCE_NUM_THREADS": "1"})
    placed = replica._placed(made.build(WEIGHTS), {**DEPLOYMENT.properties, **REFERENCE})
    compiled = replica._model(placed, placed)
    assert isinstance(compiled, openvino.CompiledModel)
    assert compiled.get_property("INFERENCE_NUM_THREADS") == 1
    assert np.isfinite(compiled(made.splits.search[0].inputs[None])[0]).all()


def test_other_data_are_refused(tmp_path: Path) -> None:
    made = models(tmp_path)
    replica = Replica(splits(100), resolve_metrics("accuracy"), DEPLOYMENT)
    path, truth = made.build(made.float_plan), made.reference_plan
    with pytest.raises(DataError, match="not the same when they were read again"):
        replica.evaluation(
            path, path, "it", truth.properties, truth.properties, "search", None, made.splits.search.fingerprint
        )
