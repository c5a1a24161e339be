"""What a measurement depends on is in its key, and nothing else."""

import json
from dataclasses import replace
from pathlib import Path

from ovquant.domain.recipe import Recipe
from ovquant.measure.conditions import float_plan, reference_plan
from ovquant.runtime import Deployment
from tests.measure.made import instruments, plan, splits

CONTROL = plan("control", Recipe(algorithm="accuracy-control"))


def test_float_is_served_as_deployed_and_the_reference_in_f32(tmp_path: Path) -> None:
    conditions = instruments(tmp_path).conditions
    deployment = Deployment("CPU", {"NUM_STREAMS": "2"}, 4)
    assert float_plan(deployment).properties == {"NUM_STREAMS": "2"}
    assert reference_plan(deployment).properties == {"NUM_STREAMS": "2", "INFERENCE_PRECISION_HINT": "f32"}
    assert conditions.float_plan == float_plan(conditions.deployment)
    assert conditions.reference_plan == reference_plan(conditions.deployment)


def test_each_thing_that_a_measurement_depends_on_changes_its_key(tmp_path: Path) -> None:
    conditions = instruments(tmp_path).conditions
    other = splits(80)
    changed = [
        conditions,
        replace(conditions, fingerprint="other"),
        replace(conditions, deployment=replace(conditions.deployment, batch=2)),
        replace(conditions, deployment=replace(conditions.deployment, device="GPU")),
        replace(conditions, circumstances={"openvino": "1"}),
        replace(conditions, splits=replace(conditions.splits, calibration=other.calibration)),
        replace(conditions, seed=1),
    ]
    keys = {json.dumps(item.key(plan()), sort_keys=True) for item in changed}
    assert len(keys) == len(changed)
    assert conditions.key(plan()) != conditions.key(conditions.float_plan)


def test_what_is_built_by_scores_depends_on_metric_and_samples_too(tmp_path: Path) -> None:
    conditions = instruments(tmp_path).conditions
    metric = replace(conditions, primary_key="other")
    samples = replace(conditions, splits=replace(conditions.splits, search=splits(80).search))
    for item in (metric, samples):
        assert item.key(plan()) == conditions.key(plan())
        assert item.key(CONTROL) != conditions.key(CONTROL)
