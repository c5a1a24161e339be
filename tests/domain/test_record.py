"""A folder's record says which of its files ovquant wrote: nothing else is its own."""

import json
from pathlib import Path

import pytest

from ovquant.domain.record import (
    RECORD,
    FileFacts,
    Record,
    edited,
    entries,
    is_export,
    is_result,
    is_run,
    own,
    strangers,
)
from tests.domain.conftest import record_folder, result_folder


def test_a_file_fits_its_facts_until_it_is_changed(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(b"weights")
    facts = FileFacts.of(path)
    assert (len(facts.sha256), facts.size_bytes) == (64, 7)
    assert facts.fit(path)
    path.write_bytes(b"WEIGHTS")
    assert not facts.fit(path)
    path.write_bytes(b"weights, more of them")
    assert not facts.fit(path)
    path.unlink()
    assert not facts.fit(path)
    path.mkdir()
    assert not facts.fit(path)


def test_a_link_to_the_same_content_is_not_the_file(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"weights")
    (tmp_path / "link").symlink_to("model.bin")
    facts = FileFacts.of(tmp_path / "link")
    assert len({facts, FileFacts.of(tmp_path / "model.bin")}) == 1
    assert not facts.fit(tmp_path / "link")


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "trials" / "a").mkdir(parents=True)
    (tmp_path / "plan.json").write_text("{}")
    (tmp_path / "trials" / "a" / "model.xml").write_text("<net></net>")
    record = Record.of("run", tmp_path)
    assert list(record.files) == ["plan.json", "trials/a/model.xml"]
    record.write(tmp_path)
    assert Record.read(tmp_path) == record
    # The record itself is none of the files that it is of.
    assert Record.of("run", tmp_path) == record
    assert json.loads((tmp_path / ".ovquant.json").read_text())["ovquant"] == 1


def test_a_record_can_be_of_some_files_alone(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        (tmp_path / name).write_text(name)
    assert list(Record.of("run", tmp_path, ["c", "missing", "a"]).files) == ["a", "c"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        '{"ovquant": 2, "kind": "run", "files": {}}',
        '{"ovquant": 1, "files": {}}',
        '{"ovquant": 1, "kind": "run", "files": {"a": {"sha256": ""}}}',
        '{"ovquant": 1, "kind": "run", "files": [1]}',
    ],
)
def test_what_is_no_record_is_none(tmp_path: Path, text: str) -> None:
    assert Record.read(tmp_path) is None
    (tmp_path / RECORD).write_text(text)
    assert Record.read(tmp_path) is None


def test_entries_are_files_links_and_empty_folders(tmp_path: Path) -> None:
    (tmp_path / "full" / "deep").mkdir(parents=True)
    (tmp_path / "full" / "deep" / "file").touch()
    (tmp_path / "full" / RECORD).touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder").symlink_to("full")
    (tmp_path / "nowhere").symlink_to("gone")
    (tmp_path / RECORD).touch()
    assert sorted(entries(tmp_path)) == ["empty", "folder", f"full/{RECORD}", "full/deep/file", "nowhere"]
    assert list(entries(tmp_path / "empty")) == []


def test_a_result_is_known_by_what_stands_in_it(tmp_path: Path) -> None:
    assert not is_result(tmp_path)
    values = {"schema": 1, "verdict": "met", "trial": {}, "budget": {}, "more": 1}
    file = tmp_path / "result.json"
    file.write_text(json.dumps(values))
    assert is_result(tmp_path)
    for name in ("schema", "verdict", "trial", "budget"):
        file.write_text(json.dumps({key: value for key, value in values.items() if key != name}))
        assert not is_result(tmp_path)
    for text in ("[]", "{", '["schema", "verdict", "trial", "budget"]'):
        file.write_text(text)
        assert not is_result(tmp_path)


def test_an_export_is_known_by_its_record(tmp_path: Path) -> None:
    assert not is_export(tmp_path)
    assert is_export(record_folder(tmp_path / "export", "export"))
    assert not is_export(record_folder(tmp_path / "result", "result"))


def test_a_run_is_known_by_its_record_or_by_its_profile(tmp_path: Path) -> None:
    assert not is_run(tmp_path)
    assert is_run(record_folder(tmp_path / "run", "run"))
    profile = tmp_path / "profile.jsonl"
    entry = {"schema": 1, "kind": "trial", "key": {}, "value": {}}
    profile.write_text(f"{json.dumps(entry)}\n{{half a li")
    assert is_run(tmp_path)
    for text in ("", "[]", "my notes", json.dumps({"schema": 1, "kind": "trial", "key": {}})):
        profile.write_text(text)
        assert not is_run(tmp_path)


def test_what_was_changed_since_is_not_ovquants_any_more(tmp_path: Path) -> None:
    folder = result_folder(tmp_path / "out", model_xml="<net></net>", report_md="# Report")
    (folder / "notes.txt").write_text("mine")
    (folder / "empty").mkdir()
    assert own(folder) == {"result.json", "model.xml", "report.md"}
    assert (strangers(folder), edited(folder)) == (["empty", "notes.txt"], [])
    (folder / "report.md").write_text("# Remarks of mine")
    assert own(folder) == {"result.json", "model.xml"}
    assert (strangers(folder), edited(folder)) == (["empty", "notes.txt", "report.md"], ["report.md"])


def test_what_ovquant_appends_to_stays_its_own(tmp_path: Path) -> None:
    folder = result_folder(tmp_path / "out", profile_jsonl="{}\n", report_md="# Report")
    with (folder / "profile.jsonl").open("a") as file:
        file.write("{}\n")
    assert "profile.jsonl" in own(folder)
    assert "checks.jsonl" not in own(folder)
    # It is begun after the record was written.
    (folder / "checks.jsonl").write_text("{}\n")
    assert "checks.jsonl" in own(folder)
    assert (strangers(folder), edited(folder)) == ([], [])


def test_a_result_of_before_is_known_by_its_names(tmp_path: Path) -> None:
    folder = result_folder(tmp_path / "out", model_xml="", model_bin="", plan_json="{}", report_html="", notes_txt="")
    (folder / RECORD).unlink()
    for front in ("pareto/01", "pareto/12", "pareto/best", "mine/01"):
        (folder / front).mkdir(parents=True)
        (folder / front / "model.xml").touch()
    (folder / "pareto" / "01" / "notes.txt").touch()
    assert own(folder) == {
        "result.json",
        "model.xml",
        "model.bin",
        "plan.json",
        "report.html",
        "pareto/01/model.xml",
        "pareto/12/model.xml",
    }
    assert strangers(folder) == ["mine/01/model.xml", "notes.txt", "pareto/01/notes.txt", "pareto/best/model.xml"]
    assert edited(folder) == []


def test_a_folder_of_a_plan_of_before_holds_its_three_files_and_nothing_else(tmp_path: Path) -> None:
    for name in ("model.xml", "model.bin", "plan.json"):
        assert own(tmp_path) == set()
        (tmp_path / name).touch()
    assert own(tmp_path) == {"model.xml", "model.bin", "plan.json"}
    (tmp_path / "notes.txt").touch()
    assert own(tmp_path) == set()
    assert len(strangers(tmp_path)) == 4
