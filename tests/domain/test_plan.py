"""Plans and trials: their keys, and that what is written is what is read."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovquant.domain.layer import FLOAT, LEVELS
from ovquant.domain.plan import PLAN_SCHEMA, NormalForm, Plan
from ovquant.domain.recipe import Recipe
from ovquant.domain.trial import Score, Scores, Timing, Trial
from ovquant.errors import UsageError
from ovquant.testing import in_float
from tests.domain.test_recipe import recipes

names = st.text(min_size=1, max_size=12)
numbers = st.floats(-1e9, 1e9)
plans = st.builds(
    Plan,
    names,
    st.none() | recipes,
    st.dictionaries(names, st.sampled_from(LEVELS), max_size=3),
    st.dictionaries(names, names, max_size=3),
    st.booleans(),
)
one_score = st.builds(
    Score, st.sampled_from(["search", "holdout"]), *[numbers] * 4, st.integers(1), *[st.none() | numbers] * 2
)
scores = st.builds(Scores, st.lists(one_score, min_size=1, max_size=3).map(tuple))
timings = st.builds(Timing, *[st.floats(0.001, 1e6)] * 7, st.integers(1))
trials = st.builds(
    Trial,
    plans,
    st.none() | scores,
    st.none() | scores,
    st.none() | timings,
    st.integers(0),
    st.none() | numbers,
    st.none() | st.dictionaries(names, st.just("int8"), max_size=3),
    st.text(max_size=12),
    st.floats(0, 1e6),
)


def through_json(values: Any) -> Any:
    return json.loads(json.dumps(values))


@given(plans)
def test_plan_round_trip(plan: Plan) -> None:
    again = Plan.from_json(through_json(plan.to_json()))
    assert again == plan
    assert again.key == plan.key


@given(trials)
def test_trial_round_trip(trial: Trial) -> None:
    assert Trial.from_json(through_json(trial.to_json())) == trial


def test_plan_file_round_trip(tmp_path: Path) -> None:
    plan = Plan("a", Recipe(preset="mixed", keep_float_types=("Add",)), {"conv": "f32"}, {"NUM_STREAMS": "1"})
    plan.save(tmp_path / "plan.json")
    assert Plan.load(tmp_path / "plan.json") == plan
    assert json.loads((tmp_path / "plan.json").read_text())["schema"] == PLAN_SCHEMA


def test_recipes_and_plans_of_before_keep_their_keys() -> None:
    assert not {"graph", "seven_bits", "allowed_drop"} & set(Recipe().to_json())
    assert Recipe.from_json(Recipe().to_json()).graph == "as-read"
    assert "normal" not in Plan("one", Recipe()).to_json()


def test_how_the_normal_form_was_made_is_in_the_file_and_not_in_the_key(tmp_path: Path) -> None:
    plan = Plan("one", Recipe(graph="normalised"))
    told = replace(plan, normal=NormalForm("2026.4.1", {"norm.0": "conv.0"}))
    told.save(tmp_path / "plan.json")
    assert Plan.load(tmp_path / "plan.json") == told
    assert told.key == plan.key


def test_the_name_is_not_in_the_key() -> None:
    plan = Plan("one", Recipe())
    assert plan.renamed("two").key == plan.key
    assert plan.renamed("two").name == "two"


@pytest.mark.parametrize(
    "changes", [{"recipe": None}, {"layers": {"a": "f32"}}, {"properties": {"a": "b"}}, {"compress_to_fp16": True}]
)
def test_all_that_is_built_is_in_the_key(changes: dict[str, Any]) -> None:
    assert replace(Plan("one", Recipe()), **changes).key != Plan("one", Recipe()).key


@given(st.permutations(["a", "b", "c"]))
def test_the_order_of_layers_is_not_in_the_key(order: list[str]) -> None:
    assert Plan("x", Recipe(), dict.fromkeys(order, "f32")).key == Plan("x", Recipe(), dict.fromkeys("abc", "f32")).key


def test_only_accuracy_control_goes_by_the_drop_that_is_allowed() -> None:
    control = Plan("x", Recipe(algorithm="accuracy-control"))
    assert control.allowing(0.01).recipe == Recipe(algorithm="accuracy-control", allowed_drop=0.01)
    for other in (Plan(), Plan("x", Recipe())):
        assert other.allowing(0.01) is other


@pytest.mark.parametrize(
    ("algorithm", "level", "read"),
    [("post-training", "f32", "float"), ("weights", "f32", "float"), ("bf16", "f32", "f32")],
)
def test_a_plan_of_before_levels_is_read_as_it_was_meant(algorithm: str, level: str, read: str) -> None:
    values = {**Plan("a", Recipe(algorithm=algorithm)).to_json(), "schema": 1, "layers": {"stem": level}}
    assert Plan.from_json(values).layers == {"stem": read}


def test_levels_are_told_apart_and_the_keys_of_before_serve() -> None:
    plan = Plan("a", Recipe())
    assert plan.with_levels([("stem", "float")]).key != plan.with_levels([("stem", "f32")]).key
    # As written by 0.1 before layers had levels.
    assert (plan.key, replace(plan, layers={"stem": "float"}).key) == ("43a45888d71cb301", "9021e7d09b359067")


def test_a_plan_with_layers_in_float_says_how_many() -> None:
    plan = Plan("default", Recipe())
    assert plan.with_levels([]) is plan
    assert plan.with_levels(in_float("stem")) == replace(
        plan, name="default, 1 layer in float", layers={"stem": "float"}
    )
    assert plan.with_levels(in_float("stem", "head")).name == "default, 2 layers in float"
    both = plan.with_levels([*in_float("stem", "head"), ("scores", "f32")])
    assert both.name == "default, 2 layers in float, 1 layer in f32"
    assert both.layers == {"stem": "float", "head": "float", "scores": "f32"}


def test_float_quantizes_nothing() -> None:
    assert Plan().is_float
    assert Plan().name == FLOAT
    assert not Plan("x", Recipe()).is_float


def test_another_schema_is_refused() -> None:
    with pytest.raises(UsageError, match=f"schema 99; this version reads schemas 1 and {PLAN_SCHEMA}"):
        Plan.from_json({**Plan().to_json(), "schema": 99})


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "3", "null", '"plan"', "{}", '{"schema": 1}', '{"schema": 1, "name": "a", "recipe": 3}'],
)
def test_what_is_no_plan_file_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(content)
    with pytest.raises(UsageError, match="plan"):
        Plan.load(path)


def test_a_missing_or_binary_plan_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a valid plan file"):
        Plan.load(tmp_path / "missing.json")
    (tmp_path / "plan.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not a valid plan file"):
        Plan.load(tmp_path / "plan.json")
