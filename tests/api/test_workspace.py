"""The folder of a run: made late, held by one run, left where something was measured, and renamed at the end."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import ovquant
from ovquant.api.workspace import Work, save_plan
from ovquant.domain.plan import Plan
from ovquant.domain.profile import PROFILE_SCHEMA
from ovquant.domain.recipe import Recipe
from ovquant.domain.record import Record
from ovquant.domain.trial import Trial
from ovquant.errors import ModelError, OutputError
from ovquant.measure.workbench import Workbench
from tests.api.models import run_in

FILES = (
    "profile.jsonl",
    "model.xml",
    "model.bin",
    "plan.json",
    "compile.json",
    "result.json",
    "report.html",
    "report.md",
)
FOLDERS = ("trials", "best", "pareto", "candidate")
TRIAL = Trial(Plan("default", Recipe()))


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    return run_in(tmp_path / "bench").bench


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_plan_is_saved_with_its_model_in_place_of_another(bench: Workbench, tmp_path: Path) -> None:
    place = tmp_path / "saved" / "best"
    save_plan(bench, TRIAL, place)
    assert names(place) == {"model.xml", "model.bin", "plan.json"}
    built = bench.instruments.build(TRIAL.plan)
    for name in ("model.xml", "model.bin"):
        assert (place / name).read_bytes() == built.with_name(name).read_bytes()
    other = Trial(bench.conditions.float_plan)
    save_plan(bench, other, place)
    assert Plan.load(place / "plan.json") == other.plan
    assert names(place.parent) == {"best"}


def test_a_place_is_tried_first_and_the_folder_is_made_when_the_run_begins(tmp_path: Path) -> None:
    work = Work(tmp_path / "deep" / "out")
    assert list(tmp_path.iterdir()) == []
    with work:
        assert work.folder == tmp_path / "deep" / "out.partial"
        record = Record.read(work.folder)
        assert record is not None
        assert (record.kind, dict(record.files)) == ("run", {})


def test_what_the_run_reads_and_what_is_no_result_are_no_output(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "val.npz").touch()
    with pytest.raises(OutputError, match="which this run reads"):
        Work(tmp_path, inputs=(None, tmp_path / "val.npz"))
    with pytest.raises(OutputError, match="already holds a result"):
        Work(folder)
    assert Work(folder, force=True).folder == tmp_path / "out.partial"
    (tmp_path / "new.partial").mkdir()
    (tmp_path / "new.partial" / "thesis.txt").write_text("three years")
    with pytest.raises(OutputError, match="ovquant did not write what is there"):
        Work(tmp_path / "new")


def test_a_second_run_finds_the_place_held_before_it_begins(tmp_path: Path) -> None:
    first = Work(tmp_path / "out")
    with first, pytest.raises(OutputError, match="Another run writes"):
        Work(tmp_path / "out")
    # Once the first has ended it is free.
    with Work(tmp_path / "out"):
        pass
    assert not list(tmp_path.glob("*.lock"))


def test_one_that_was_there_first_is_held_from_with_on(tmp_path: Path) -> None:
    one, other = Work(tmp_path / "out"), Work(tmp_path / "out")
    with one, pytest.raises(OutputError, match="Another run writes"):
        other.__enter__()


def test_a_result_that_appears_before_the_run_begins_is_not_replaced(folder: Path, tmp_path: Path) -> None:
    late, forced = Work(tmp_path / "new"), Work(tmp_path / "new", force=True)
    folder.rename(tmp_path / "new")
    with pytest.raises(OutputError, match="already holds a result"):
        late.__enter__()
    # Nor is the place held.
    with forced:
        pass


def test_the_plans_of_a_killed_run_are_written_anew_and_its_trials_used(tmp_path: Path) -> None:
    with Work(tmp_path / "out") as work:
        for name in FOLDERS:
            (work.folder / name).mkdir()
            (work.folder / name / "model.xml").touch()
        (work.folder / "profile.jsonl").touch()
    with Work(tmp_path / "out") as work:
        assert names(work.folder) == {".ovquant.json", "profile.jsonl", "trials", "best"}


def written(work: Work) -> None:
    """Leave in a folder all that a run can leave there."""
    for name in FILES:
        (work.folder / name).touch()
    for name in FOLDERS:
        (work.folder / name / "deep").mkdir(parents=True)
        (work.folder / name / "deep" / "model.xml").touch()


def failing(work: Work, error: BaseException, **texts: str) -> None:
    """Raise an error in a run that has left all that one can leave, and some texts by the names of their files."""
    with work:
        written(work)
        for name, text in texts.items():
            (work.folder / name).write_text(text)
        raise error


def test_a_new_run_that_fails_before_its_first_trial_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        failing(Work(tmp_path / "out"), ModelError("broken"))
    assert list(tmp_path.iterdir()) == []


def test_what_others_put_there_stays(tmp_path: Path) -> None:
    work = Work(tmp_path / "out")
    with pytest.raises(ModelError):
        failing(work, ModelError("broken"), thesis="three years")
    assert names(work.folder) == {"thesis"}


def test_what_was_measured_stays(tmp_path: Path) -> None:
    line = json.dumps({"schema": PROFILE_SCHEMA, "kind": "trial", "key": {}, "value": 1}) + "\n"
    with pytest.raises(ModelError):
        failing(Work(tmp_path / "out"), ModelError("broken"), **{"profile.jsonl": line})
    assert names(tmp_path / "out.partial") == {".ovquant.json", *FILES, *FOLDERS}


@pytest.mark.parametrize("error", [ValueError("a fault"), KeyboardInterrupt()])
def test_a_fault_and_an_interruption_leave_all_as_it_is(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error)):
        failing(Work(tmp_path / "out"), error)
    assert names(tmp_path / "out.partial") == {".ovquant.json", *FILES, *FOLDERS}


def test_a_run_that_goes_on_leaves_what_it_found(tmp_path: Path) -> None:
    with Work(tmp_path / "out"):
        pass
    with pytest.raises(ModelError):
        failing(Work(tmp_path / "out"), ModelError("broken"))
    assert names(tmp_path / "out.partial") == {".ovquant.json", *FILES, *FOLDERS}


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    work = Work(tmp_path / "out")
    with pytest.raises(OutputError, match="out.partial' cannot be written: no such thing"):
        failing(work, OSError(5, "no such thing", str(work.folder / "model.bin")))
    assert list(tmp_path.iterdir()) == []


def test_the_best_so_far_is_kept_where_there_is_an_output(bench: Workbench, tmp_path: Path) -> None:
    with Work(tmp_path / "out") as work:
        work.keep_best(bench, TRIAL)
        assert Plan.load(work.folder / "best" / "plan.json") == TRIAL.plan
    with Work(None) as temporary:
        temporary.keep_best(bench, TRIAL)
        assert list(temporary.folder.iterdir()) == []


def finished(work: Work, found: ovquant.Result) -> ovquant.Result:
    """Finish a run that has come to the same model as a result."""
    for name in ("model.xml", "model.bin"):
        shutil.copy2(found.folder / name, work.folder / name)
    for name in ("trials", "best"):
        (work.folder / name).mkdir(exist_ok=True)
    return work.finish(replace(found, folder=work.folder))


def test_a_finished_run_has_its_final_name_and_no_trials(found: ovquant.Result, tmp_path: Path) -> None:
    with Work(tmp_path / "out") as work:
        made = finished(work, found)
    assert made.folder == tmp_path / "out"
    assert (made.notes, made.keep) == (found.notes, None)
    expected = {"model.xml", "model.bin", "plan.json", "compile.json", "result.json", "report.html", "report.md"}
    assert names(made.folder) == {".ovquant.json", *expected}
    assert names(tmp_path) == {"out"}


def test_what_was_changed_in_the_result_before_is_said(found: ovquant.Result, folder: Path, tmp_path: Path) -> None:
    (folder / "report.md").write_text("with my remarks")
    with Work(folder, force=True) as work:
        made = finished(work, found)
    note = "report.md was changed since ovquant wrote it, and is kept as report.md.edited."
    assert made.notes == (*found.notes, note)
    assert ovquant.Result.load(folder).notes == made.notes
    assert (folder / "report.md.edited").read_text() == "with my remarks"


def test_without_an_output_the_folder_lives_as_long_as_the_result(found: ovquant.Result) -> None:
    with Work(None) as work:
        made = finished(work, found)
    place = work.folder
    assert made.folder == place
    del work
    assert ovquant.Result.load(place).verdict == "met"
    del made
    assert not place.exists()


def test_uses_of_holdouts_go_on_in_the_profile_of_what_replaces_a_result(folder: Path, tmp_path: Path) -> None:
    with Work(folder, force=True) as work:
        profile = work.profile()
        assert [value for _, value in profile.entries("look")] == [{"look": 1}]
        assert list(profile.entries("trial")) == []
    with Work(tmp_path / "new") as work:
        assert list(work.profile().entries("look")) == []
