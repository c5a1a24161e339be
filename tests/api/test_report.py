"""Reports are rendered again from what was saved, and an edited one is kept."""

from pathlib import Path

import pytest

import ovquant
from ovquant.domain.record import strangers
from ovquant.errors import UsageError
from tests.plugins.reports.conftest import result_of


def saved(folder: Path) -> Path:
    folder.mkdir()
    for name in ("model.xml", "model.bin", "profile.jsonl"):
        (folder / name).write_text(name)
    result_of(folder=folder).write(folder)
    return folder


def test_what_is_gone_or_old_is_there_again_and_belongs_to_the_result(tmp_path: Path) -> None:
    folder = saved(tmp_path / "out")
    before = {name: (folder / name).read_bytes() for name in ("report.md", "report.html", "result.json")}
    (folder / "report.md").unlink()
    files = ovquant.report(folder)
    assert set(files) == {folder / "report.md", folder / "report.html"}
    assert {name: (folder / name).read_bytes() for name in before} == before
    assert strangers(folder) == []


def test_an_edited_report_is_kept_beside(tmp_path: Path) -> None:
    folder = saved(tmp_path / "out")
    (folder / "report.md").write_text("my own words")
    ovquant.report(folder)
    assert (folder / "report.md.edited").read_text() == "my own words"
    assert (folder / "report.md").read_text().startswith("## ")
    assert strangers(folder) == ["report.md.edited"]
    # And so is the next one.
    (folder / "report.md").write_text("other words")
    ovquant.report(folder)
    assert (folder / "report.md.edited").read_text() == "my own words"
    assert (folder / "report.md.edited2").read_text() == "other words"


def test_what_holds_no_result_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no result"):
        ovquant.report(tmp_path)
