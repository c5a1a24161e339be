"""A result is plain data that is read back as it was written, and results of before are read too."""

import json
import platform
from dataclasses import FrozenInstanceError, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from ovquant.domain.budget import Budget, Drop, Limit
from ovquant.domain.plan import Plan
from ovquant.domain.recipe import Recipe
from ovquant.domain.result import CANDIDATE, Checked, Data, Provenance, ResultRecord, versions
from ovquant.domain.trial import Score, Scores, Timing, Trial
from ovquant.errors import UsageError

BEFORE = Path(__file__).parents[1] / "written_before"


def scores(split: Any, drop: float) -> Scores:
    """Return the scores of two metrics, of which the second is nearer to its limit."""
    first = Score(split, 0.9 - drop, 0.9, drop, drop - 0.02, 200, drop - 0.01, drop + 0.01, "t", "accuracy")
    second = Score(split, 0.8 - drop, 0.8, drop, drop - 0.01, 200, metric="f1", p_value=0.01, level=0.05, look=2)
    return Scores((first, second))


def trial(name: str, drop: float = 0.0) -> Trial:
    plan = Plan(name, Recipe(keep_float_types=("MatMul",)), {"stem": "float"}, {"PERFORMANCE_HINT": "LATENCY"})
    timing = Timing(1.0, 2.0, 2.0, 4.0, 0.5, 0.4, 0.6, 300, 3, 0.02)
    layers = {"stem": "float", "head": "int8"}
    return Trial(plan, scores("search", drop), scores("holdout", drop), timing, 3000, 0.01, layers, "", 4.0, 0.55)


PROVENANCE = Provenance(
    model_name="net",
    model_fingerprint="2:abc",
    objective="latency",
    device={"device": "CPU", "int8": "exact", "instructions": ["avx2"]},
    data={"search": Data(200, "s"), "holdout": Data(100, "h")},
    batch=4,
    seed=7,
    seconds=12.5,
    command="ovquant quantize net.xml",
    metrics=("accuracy", "f1"),
    slice_by="hour",
    group_by="user",
    served={"NUM_STREAMS": "1"},
    model_source="net.xml",
    model_structure="2:def",
    friendly_name="net",
    torch_weights="012",
    input_shape="[4,3,16,16]",
)
RESULT = ResultRecord(
    verdict="inconclusive",
    trial=trial("default", 0.01),
    baseline=Trial(Plan(), scores("search", 0.0)),
    trials=(trial("default", 0.01), trial("mixed", 0.03), Trial(Plan("bias", Recipe()), problem="It has no bias.")),
    walked=(trial("default", 0.01),),
    budget=Budget(Drop(0.02, relative=True), others=(Limit("f1", Drop(0.01)),), confidence=0.95, metric="accuracy"),
    metric="accuracy",
    higher_is_better=True,
    provenance=PROVENANCE,
    notes=("Something to know.",),
    front=(trial("mixed", 0.03), trial("default", 0.01)),
    plain=trial("default", 0.02),
    candidate=trial("mixed", 0.03),
    model_digest="0123456789abcdef",
)


def write(folder: Path, values: dict[str, Any]) -> Path:
    (folder / "result.json").write_text(json.dumps(values))
    return folder


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert ResultRecord.read(write(tmp_path, RESULT.to_json())) == RESULT
    assert RESULT.plan == RESULT.trial.plan


def test_what_there_was_none_of_stays_none(tmp_path: Path) -> None:
    bare = replace(RESULT, notes=(), front=(), plain=None, candidate=None, walked=(), trials=(), model_digest="")
    found = ResultRecord.read(write(tmp_path, bare.to_json()))
    assert found == bare
    assert found.plain is found.candidate is None


def test_what_earlier_results_lack_is_left_as_it_is_by_default(tmp_path: Path) -> None:
    values = RESULT.to_json()
    for name in ("candidate", "plain", "model_digest", "group_by", "torch_weights", "versions"):
        del values[name]
    found = ResultRecord.read(write(tmp_path, values))
    expected = replace(PROVENANCE, group_by="", torch_weights="", versions=versions())
    assert found == replace(RESULT, candidate=None, plain=None, model_digest="", provenance=expected)


@pytest.mark.parametrize("name", ["result", "sliced"])
def test_results_of_before_are_read(name: str) -> None:
    found = ResultRecord.read(BEFORE / name)
    values = json.loads((BEFORE / name / "result.json").read_text())
    assert found.candidate is None
    assert (found.verdict, found.provenance.model_fingerprint) == ("met", values["model_fingerprint"])
    assert len(found.trials) == len(values["trials"]) > 0
    assert found.provenance.data["holdout"].samples == values["data"]["holdout"]["samples"]


class Folded(ResultRecord):
    """A result with one field more."""

    def __init__(self, *, folder: Path, **rest: Any) -> None:
        super().__init__(**rest)
        object.__setattr__(self, "folder", folder)


def test_fields_that_the_file_does_not_have_are_given(tmp_path: Path) -> None:
    found = Folded.read(write(tmp_path, RESULT.to_json()), folder=tmp_path)
    assert isinstance(found, Folded)
    assert vars(found)["folder"] == tmp_path


def test_what_is_not_said_of_a_run_is_empty() -> None:
    names = ("model_name", "model_fingerprint", "objective", "device", "data", "batch", "seed", "seconds")
    bare = Provenance(**{name: getattr(PROVENANCE, name) for name in names})
    texts = ("command", "slice_by", "group_by", "model_source", "model_structure", "friendly_name", "torch_weights")
    assert {getattr(bare, name) for name in (*texts, "input_shape")} == {""}
    assert (bare.metrics, bare.served, bare.versions) == ((), {}, versions())


def test_what_was_found_stays_as_it_is() -> None:
    for record, name in ((RESULT, "verdict"), (PROVENANCE, "seed"), (PROVENANCE.data["search"], "samples")):
        with pytest.raises(FrozenInstanceError):
            setattr(record, name, "other")
    assert CANDIDATE == "candidate"


def test_another_schema_is_refused_by_number(tmp_path: Path) -> None:
    write(tmp_path, {**RESULT.to_json(), "schema": 3})
    with pytest.raises(UsageError, match=r"result.json' has schema 3; this version reads 2"):
        ResultRecord.read(tmp_path)


@pytest.mark.parametrize("missing", ["verdict", "trial", "budget", "data", "metrics", "notes", "seed"])
def test_a_result_that_lacks_what_it_must_have_is_none(tmp_path: Path, missing: str) -> None:
    values = RESULT.to_json()
    del values[missing]
    with pytest.raises(UsageError, match=rf"'{tmp_path}' holds no result: .*{missing}.*Give the folder that -o wrote"):
        ResultRecord.read(write(tmp_path, values))


@pytest.mark.parametrize("text", [None, "", "[]", "null"])
def test_what_is_no_result_is_an_error(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "result.json").write_text(text)
    with pytest.raises(UsageError, match="holds no result"):
        ResultRecord.read(tmp_path)


def test_versions_are_those_that_a_result_depends_on() -> None:
    found = versions()
    assert set(found) == {"python", "ovquant", "openvino", "nncf", "numpy", "scipy"}
    assert found["python"] == platform.python_version()
    assert found["openvino"] == version("openvino")
    assert PROVENANCE.versions == found


def test_a_check_is_plain_data() -> None:
    checked = Checked(
        verdict="met",
        plan="default",
        score=scores("holdout", 0.01),
        timing=Timing(1.0, 2.0, 2.0, 4.0, 0.5, 0.4, 0.6, 300),
        budget=RESULT.budget,
        data=Data(100, "new"),
        served={"device": "CPU"},
        versions=versions(),
        notes=("Something to know.",),
    )
    values = json.loads(json.dumps(checked.to_json()))
    assert (values["verdict"], values["plan"], values["data"]) == (
        "met",
        "default",
        {"samples": 100, "fingerprint": "new"},
    )
    assert Scores.from_json(values["score"]) == checked.score
    assert Budget.from_json(values["budget"]) == checked.budget
    assert Timing.from_json(values["timing"]) == checked.timing
    assert values["notes"] == ["Something to know."]
