"""Plans become models once; their keys say all that they depend on, and little is kept in memory."""

import json
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from ovquant.domain.plan import NormalForm, Plan
from ovquant.domain.recipe import Recipe
from ovquant.domain.sample import Sample
from ovquant.domain.split import Splits, split_data
from ovquant.errors import ModelError
from ovquant.graph.fingerprint import fingerprint, operation_types
from ovquant.graph.names import with_unique_names
from ovquant.graph.normalise import normalised
from ovquant.graph.precision import is_quantized, precisions
from ovquant.measure import models as models_module
from ovquant.measure.describer import Describer
from ovquant.measure.models import Models, circumstances, with_runtime_options
from ovquant.measure.score import Scorer
from ovquant.plugins.metrics import resolve_metrics
from ovquant.runtime import Deployment, int8_arithmetic
from tests.measure.made import DEPLOYMENT, models, network, plan, samples, splits

CONTROL = Recipe(algorithm="accuracy-control", allowed_drop=0.1)


class Told(list[str]):
    """What progress said, each thing once in a row."""

    def __call__(self, what: str, done: int, total: int) -> None:
        if self[-1:] != [what]:
            self.append(what)


# Keys -------------------------------------------------------------------------------------------------------------------


def test_two_of_the_same_give_a_plan_the_same_key(tmp_path: Path) -> None:
    one, other = models(tmp_path / "one"), models(tmp_path / "other")
    assert one.key(plan()) == other.key(plan("by another name"))
    assert json.loads(json.dumps(one.key(plan()))) == one.key(plan())


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"deployment": replace(DEPLOYMENT, batch=4)},
        {"model": network(1)},
        {"splits": splits(calibration=samples(20, seed=2))},
        {"splits": splits(122)},
    ],
)
def test_what_a_measurement_depends_on_is_in_its_key(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert models(tmp_path, **changes).key(plan()) != models(tmp_path).key(plan())


def test_plans_and_devices_have_keys_of_their_own(tmp_path: Path) -> None:
    made = models(tmp_path)
    plans = [plan(), plan(recipe=Recipe(preset="mixed")), plan(layers={"first": "f32"}), plan(properties={})]
    assert len({json.dumps(made.key(item)) for item in (*plans, made.float_plan, made.reference_plan)}) == 6
    assert made.key(plan())["device"] == "CPU"
    assert made.key(plan())["circumstances"] == circumstances("CPU")


def test_what_is_scored_is_no_matter_to_a_recipe_that_scores_nothing(tmp_path: Path) -> None:
    apart = {"calibration": samples(20, seed=2), "holdout": samples(20, seed=4)}
    one, other = models(tmp_path, splits=splits(**apart)), models(tmp_path, splits=splits(118, **apart), metric="f1")
    assert one.key(plan()) == other.key(plan())
    # Accuracy control builds by what it scores.
    mine, theirs = one.key(plan(recipe=CONTROL)), other.key(plan(recipe=CONTROL))
    assert mine["metric"] == resolve_metrics("accuracy")[0].key != theirs["metric"]
    assert mine["search"] == one.splits.search.fingerprint != theirs["search"]


def test_circumstances_are_versions_and_how_the_device_computes() -> None:
    found = circumstances("CPU")
    assert set(found) == {"openvino", "nncf", "processor", "precision", "int8"}
    assert found["int8"] == int8_arithmetic("CPU")
    assert openvino.__version__.startswith(found["openvino"])


def test_plans_that_come_to_the_same_model_share_its_key(tmp_path: Path) -> None:
    made = models(tmp_path)
    # There are no more than sixty samples to calibrate with.
    one, other = plan(recipe=Recipe(calibration_size=100)), plan(recipe=Recipe(calibration_size=200))
    few = plan(recipe=Recipe(calibration_size=4))
    assert made.key(one) != made.key(other)
    assert made.built_key(one, values=True) == made.built_key(other, values=True) != made.built_key(few, values=True)
    # Ranges take no time.
    assert made.built_key(one, values=False) == made.built_key(few, values=False)
    assert made.built_key(one, values=False) != made.built_key(made.float_plan, values=False)
    assert made.built_key(one, values=True) != made.built_key(one, values=False)
    kinds = [kind for kind in ("content", "operations") for _ in made.profile.entries(kind)]
    assert kinds == ["content"] * 3 + ["operations"] * 3


def computing(precision: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Models:
    """Return models on a device that computes float in a precision by default."""
    here = {**circumstances("CPU"), "precision": precision}
    monkeypatch.setattr("ovquant.measure.models.circumstances", lambda device, **how: here)
    return models(tmp_path)


def test_the_properties_that_it_is_served_with_are_in_that_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = computing("bf16", monkeypatch, tmp_path)
    plain, reference = made.built_key(made.float_plan, values=True), made.built_key(made.reference_plan, values=True)
    assert plain["plan"] == reference["plan"]
    assert plain["properties"] == {"PERFORMANCE_HINT": "LATENCY"}
    assert reference["properties"] == {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    assert list(reference["properties"]) == sorted(reference["properties"])
    assert not made.conditions.is_reference(made.float_plan)
    assert made.compiled(made.float_plan) is not made.compiled(made.reference_plan)


def test_where_float_is_computed_in_f32_anyway_to_ask_for_it_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = computing("f32", monkeypatch, tmp_path)
    assert made.built_key(made.float_plan, values=True) == made.built_key(made.reference_plan, values=True)
    assert made.conditions.is_reference(made.float_plan)
    assert not made.conditions.is_reference(plan())
    assert made.compiled(made.float_plan) is made.compiled(made.reference_plan)
    asked = {"INFERENCE_PRECISION_HINT": "bf16"}
    assert not made.conditions.is_reference(replace(made.float_plan, properties=asked))


# Models -----------------------------------------------------------------------------------------------------------------


def test_a_built_file_is_used_again_and_not_calibrated_for(tmp_path: Path) -> None:
    told, again = Told(), Told()
    path = models(tmp_path, progress=told).build(plan())
    assert told == ["calibrating"]
    assert path.parent.parent == tmp_path / "trials"
    assert {item.name for item in path.parent.iterdir()} == {"model.xml", "model.bin"}
    before = path.stat()
    assert models(tmp_path, progress=again).build(plan()) == path
    assert (again, path.stat().st_ino, path.stat().st_mtime_ns) == ([], before.st_ino, before.st_mtime_ns)
    # Another seed draws other samples, and so it is another model.
    assert models(tmp_path, seed=1).build(plan()) != path


def built(made: Models, what: Plan) -> openvino.Model:
    return openvino.Core().read_model(made.build(what))


def test_float_is_saved_as_it_came_and_layers_are_put_back(tmp_path: Path) -> None:
    made = models(tmp_path)
    assert fingerprint(built(made, made.float_plan)) == fingerprint(network())
    assert precisions(built(made, plan())) == {"first": "int8", "second": "int8"}
    assert precisions(built(made, plan(layers={"second": "float"}))) == {"first": "int8", "second": "f32"}
    small = replace(made.float_plan, compress_to_fp16=True)
    assert (
        made.build(small).with_name("model.bin").stat().st_size
        < made.build(made.float_plan).with_name("model.bin").stat().st_size
    )


def test_only_what_multiplies_int8_says_how_it_was_added(tmp_path: Path) -> None:
    made = models(tmp_path)
    assert built(made, plan()).get_rt_info(["ovquant", "int8"]).astype(str) == int8_arithmetic("CPU")
    for item in (made.float_plan, plan(recipe=Recipe(algorithm="weights"))):
        assert not built(made, item).has_rt_info(["ovquant", "int8"])


def test_options_that_openvino_takes_from_a_model_travel_in_it() -> None:
    given = network()
    properties = {"DYNAMIC_QUANTIZATION_GROUP_SIZE": "32", "KV_CACHE_PRECISION": "u8", "NUM_STREAMS": "1"}
    made = with_runtime_options(given, properties)
    for name in ("DYNAMIC_QUANTIZATION_GROUP_SIZE", "KV_CACHE_PRECISION"):
        assert made.get_rt_info(["runtime_options", name]).astype(str) == properties[name]
        assert not given.has_rt_info(["runtime_options", name])
    assert not made.has_rt_info(["runtime_options", "NUM_STREAMS"])
    assert with_runtime_options(given, {"NUM_STREAMS": "1"}) is given


def test_they_are_in_the_file_that_is_saved(tmp_path: Path) -> None:
    properties = {**DEPLOYMENT.properties, "DYNAMIC_QUANTIZATION_GROUP_SIZE": "64"}
    model = built(models(tmp_path), plan(properties=properties))
    assert model.get_rt_info(["runtime_options", "DYNAMIC_QUANTIZATION_GROUP_SIZE"]).astype(str) == "64"


def test_a_recipe_is_calibrated_once_with_the_samples_it_asks_for(tmp_path: Path) -> None:
    counts: list[tuple[int, int]] = []
    made = models(tmp_path, progress=lambda what, done, total: counts.append((done, total)))
    first = made.quantized(Recipe(calibration_size=7))
    assert made.quantized(Recipe(calibration_size=7)) is first
    assert {total for _, total in counts} == {7}
    assert counts.count((7, 7)) == counts.count((1, 7))
    assert [layer.name for layer in first.layers]


def test_two_recipes_stay_in_memory_the_one_that_is_held_longest(tmp_path: Path) -> None:
    told = Told()
    made = models(tmp_path, progress=told)
    one, other, third = (Recipe(calibration_size=size) for size in (4, 5, 6))
    kept = made.quantized(one)
    made.quantized(other)
    assert made.quantized(one) is kept
    made.recent.hold(one)
    made.recent.hold(third)
    made.quantized(third)
    assert made.quantized(one) is kept
    made.quantized(other)
    assert made.quantized(one) is not kept


# Compiled ---------------------------------------------------------------------------------------------------------------


def test_the_reference_and_float_stay_compiled_and_one_plan_beside_them(tmp_path: Path) -> None:
    made = models(tmp_path)
    always = [made.compiled(made.reference_plan), made.compiled(made.float_plan)]
    one, other = plan(properties={}), plan(properties={"PERFORMANCE_HINT": "THROUGHPUT"})
    first = made.compiled(one)
    assert made.compiled(one) is first
    made.compiled(other)
    assert [made.compiled(made.reference_plan), made.compiled(made.float_plan)] == always
    assert made.compiled(one) is not first


def test_a_plan_is_compiled_with_its_own_properties_each_time_anew(tmp_path: Path) -> None:
    made = models(tmp_path, deployment=Deployment("CPU", {"PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": "2"}))
    assert made.compile(made.float_plan).get_property("PERFORMANCE_HINT") == "THROUGHPUT"
    assert made.compile(plan()).get_property("PERFORMANCE_HINT") == "LATENCY"
    assert made.compile(plan()) is not made.compile(plan())
    reference = made.compile(made.reference_plan)
    assert reference.get_property("NUM_STREAMS") == 2
    assert reference.get_property("INFERENCE_PRECISION_HINT") == openvino.Type.f32
    assert (made.float_plan.name, made.reference_plan.name) == ("float", "float-f32")


@pytest.mark.parametrize(("precision", "hint"), [("bf16", "THROUGHPUT"), ("f32", "LATENCY")])
def test_the_reference_alone_is_scored_many_samples_at_once(
    precision: str, hint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Plans are scored as they are served, float in f32 too where the device serves it so."""
    made = computing(precision, monkeypatch, tmp_path)
    for what, expected in ((made.reference_plan, hint), (made.float_plan, "LATENCY"), (plan(), "LATENCY")):
        assert made.compiled(what).get_property("PERFORMANCE_HINT") == expected
    monkeypatch.setattr(models_module, "TRUTH_SHARE", 0.0)
    made._compiled.clear()
    # There may be no memory for more than one.
    assert made.compiled(made.reference_plan).get_property("PERFORMANCE_HINT") == "LATENCY"
    served = Describer(made, Scorer(made, resolve_metrics("accuracy"))).served(made.reference_plan)
    assert served["PERFORMANCE_HINT"] == "LATENCY"


def test_what_is_out_of_the_running_is_deleted(tmp_path: Path) -> None:
    made = models(tmp_path)
    kept, path = made.build(made.float_plan), made.build(plan())
    before = made.compiled(plan())
    made.discard(plan())
    assert not path.parent.exists()
    assert kept.exists()
    made.discard(plan("of another recipe", Recipe(preset="mixed")))
    assert made.compiled(plan()) is not before


# Accuracy control -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", ["fidelity:by=cosine", "fidelity:by=kl"])
def test_accuracy_control_goes_by_the_metric_whichever_way_is_better(tmp_path: Path, metric: str) -> None:
    made = models(tmp_path, metric=metric)
    loose = made.quantized(Recipe(algorithm="accuracy-control", allowed_drop=1e9)).build()
    tight = made.quantized(Recipe(algorithm="accuracy-control", allowed_drop=1e-12)).build()
    assert is_quantized(loose)
    assert not is_quantized(tight)


def test_it_goes_by_targets_too(tmp_path: Path) -> None:
    made = models(tmp_path)
    assert is_quantized(made.quantized(Recipe(algorithm="accuracy-control", allowed_drop=0.9)).build())


def test_it_needs_a_metric_that_is_a_mean(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="mean over samples"):
        models(tmp_path, metric="f1").quantized(CONTROL)


def test_outputs_are_those_of_the_saved_file(tmp_path: Path) -> None:
    made = models(tmp_path)
    row = np.asarray(samples(1)[0].inputs)[None]
    plain = openvino.Core().compile_model(made.build(plan()), "CPU", dict(DEPLOYMENT.properties))
    assert np.array_equal(made.compiled(plan())(row)[0], plain(row)[0])


# Memory -----------------------------------------------------------------------------------------------------------------


def test_float_and_its_reference_are_one_file_that_the_model_is_mapped_from(tmp_path: Path) -> None:
    given = network()
    made = models(tmp_path, model=given)
    assert made.build(made.float_plan) == made.build(made.reference_plan)
    assert made.model is not given
    assert fingerprint(made.model) == made.fingerprint == fingerprint(given)


def test_a_model_that_is_another_one_once_it_is_saved_is_kept_as_it_is(tmp_path: Path) -> None:
    given, option = network(), {"KV_CACHE_PRECISION": "u8"}
    made = models(tmp_path, model=given, deployment=replace(DEPLOYMENT, properties=option))
    assert made.model is given


def test_large_models_are_let_go_before_what_needs_the_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = models(tmp_path / "small")
    monkeypatch.setattr("ovquant.measure.models.LARGE", 1000)
    large = models(tmp_path / "large")
    for made, kept in ((small, 2), (large, 1)):
        for recipe in (Recipe(), Recipe(preset="mixed")):
            made.quantized(recipe)
        assert len(made.recent) == kept
        made.compiled(made.reference_plan)
        made.release()
        assert bool(made._compiled) is not made.large


def test_a_recipe_that_does_not_fit_is_refused_before_it_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, told = models(tmp_path), Told()
    made.progress = told
    monkeypatch.setattr("ovquant.runtime.free_bytes", lambda: 1000)
    with pytest.raises(ModelError, match=r"about 0\.0 GB of memory, and 0\.0 GB are free"):
        made.quantized(Recipe())
    assert not told


# The normal form --------------------------------------------------------------------------------------------------------


def scaled() -> openvino.Model:
    """Return x[?,8,4,4] → conv → norm → relu → head, whose norm is a multiplication that the normal form fuses."""
    random = np.random.default_rng(0)
    port = ops.parameter([-1, 8, 4, 4], np.float32, name="x")
    weights, factor = random.standard_normal((8, 8, 3, 3)), random.standard_normal((1, 8, 1, 1))
    one = ops.convolution(port, ops.constant(weights.astype(np.float32)), [1, 1], [0, 0], [0, 0], [1, 1])
    norm = ops.multiply(one, ops.constant(factor.astype(np.float32)))
    pooled = ops.reduce_mean(ops.relu(norm), np.array([2, 3]), False)
    head = ops.matmul(pooled, ops.constant(random.standard_normal((8, 3)).astype(np.float32)), False, False)
    for node, name in ((one, "conv"), (norm, "norm"), (head, "head")):
        node.set_friendly_name(name)
    return with_unique_names(openvino.Model([head], [port], "scaled"))


def images(count: int) -> Splits:
    random = np.random.default_rng(1)
    return split_data([Sample(random.standard_normal((8, 4, 4)).astype(np.float32), 0) for _ in range(count)])


def test_a_recipe_quantizes_the_normal_form_where_it_says_so(tmp_path: Path) -> None:
    made = models(tmp_path, model=scaled(), normal=normalised(scaled()), splits=images(60))
    assert made.conditions.normal == NormalForm(version("openvino"), {"norm": "conv"})
    as_read, normal = (plan(recipe=Recipe(graph=graph)) for graph in ("as-read", "normalised"))
    kinds = [operation_types(built(made, item)) for item in (as_read, normal)]
    # NNCF leaves the multiplication behind the convolution, and its quantizer with it.
    assert kinds[0]["Multiply"] > kinds[1].get("Multiply", 0)
    assert made.key(as_read) != made.key(normal)


def test_original_names_are_kept_in_float_in_the_normal_form(tmp_path: Path) -> None:
    made = models(tmp_path, model=scaled(), normal=normalised(scaled()), splits=images(60))
    kept = plan(recipe=Recipe(graph="normalised", keep_float_names=("norm",)))
    assert precisions(built(made, kept)) == {"conv": "f32", "head": "int8"}


def test_a_plan_for_the_normal_form_needs_one(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"The plan is for the normal form of its model, and openvino 20\d\d"):
        models(tmp_path).build(plan(recipe=Recipe(graph="normalised")))


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="the system does not tell what is anonymous")
def test_weights_of_the_normal_form_are_mapped_and_not_held(tmp_path: Path) -> None:
    # In a process of its own: what others freed before would be used again here.
    found = subprocess.run([sys.executable, "-c", HOLDS, tmp_path], capture_output=True, text=True, check=True)
    weights, held = map(int, found.stdout.split())
    assert held < weights / 2


HOLDS = """
import sys
from pathlib import Path
import numpy as np, openvino
from openvino import opset13 as ops
from ovquant.graph.names import with_unique_names
from ovquant.graph.normalise import normalised
from tests.measure.made import models
from tests.measure.test_models import images

def anonymous():
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Anonymous:"))

folder = Path(sys.argv[1])
port = ops.parameter([-1, 8, 4, 4], np.float32, name="x")
flat = ops.reshape(port, np.array([0, -1]), True)
weights = np.random.default_rng(0).standard_normal((128, 2**18)).astype(np.float32)
model = openvino.Model([ops.matmul(flat, ops.constant(weights), False, False)], [port], "wide")
openvino.save_model(model, folder / "model.xml", compress_to_fp16=True)
size = weights.nbytes
del flat, weights, model, port
splits = images(60)
models(folder / "small", splits=splits)
before = anonymous()
given = with_unique_names(openvino.Core().read_model(folder / "model.xml"))
made = models(folder / "made", model=given, normal=normalised(given), splits=splits)
del given
print(size, anonymous() - before)
"""
