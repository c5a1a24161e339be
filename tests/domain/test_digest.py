"""A saved model that is not the one that was measured is known, and what is wrong with it is said."""

import os
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

import pytest

from ovquant.domain import digest
from ovquant.domain.digest import damage, model_digest, require_whole, unusable
from ovquant.domain.record import Record
from ovquant.errors import ModelError

XML, BIN = "<net><layers/></net>\n", bytes(range(200))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A folder with a model and the record of it."""
    (tmp_path / "model.xml").write_text(XML)
    (tmp_path / "model.bin").write_bytes(BIN)
    Record.of("result", tmp_path).write(tmp_path)
    return tmp_path


def test_the_digest_is_of_both_files(saved: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    parts = [sha256(content).digest() for content in (XML.encode(), BIN)]
    found = model_digest(saved)
    assert found == sha256(b"".join(parts)).hexdigest()[:16]
    (saved / "model.bin").write_bytes(BIN + b"1")
    changed = model_digest(saved)
    assert changed != found
    (saved / "model.xml").write_text(f"<!-- -->{XML}")
    assert model_digest(saved) not in (found, changed)


def test_a_file_that_stays_as_it_is_is_read_once(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def noted(file: Any, kind: str) -> Any:
        read.append(Path(file.name).name)
        return file_digest(file, kind)

    monkeypatch.setattr(digest, "file_digest", noted)
    assert model_digest(saved) == model_digest(saved)
    assert read == ["model.xml", "model.bin"]
    (saved / "model.bin").write_bytes(BIN + b"1")
    model_digest(saved)
    assert read == ["model.xml", "model.bin", "model.bin"]


def test_a_file_of_the_same_size_and_date_is_read_again(saved: Path) -> None:
    """Who restores a copy may restore its date too; that it was changed the system notes all the same."""
    before, facts = model_digest(saved), (saved / "model.bin").stat()
    while (saved / "model.bin").stat().st_ctime_ns == facts.st_ctime_ns:
        (saved / "model.bin").write_bytes(BIN[::-1])
        os.utime(saved / "model.bin", ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert (saved / "model.bin").stat().st_mtime_ns == facts.st_mtime_ns
    assert model_digest(saved) != before


def test_a_whole_model_is_not_damaged(saved: Path) -> None:
    assert damage(saved, model_digest(saved)) == ""
    assert unusable(saved) == ""
    require_whole(saved, model_digest(saved))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (["model.bin"], "model.bin is not the one that was measured"),
        (["model.xml"], "model.xml is not the one that was measured"),
        (["model.xml", "model.bin"], "model.xml and model.bin is not the one that was measured"),
    ],
)
def test_a_changed_file_is_named(saved: Path, changed: list[str], said: str) -> None:
    before = model_digest(saved)
    for name in changed:
        path = saved / name
        path.write_bytes(b" " + path.read_bytes())
    assert damage(saved, before).startswith(said)
    # It can still be read, and that is all that is asked of results without a digest.
    assert unusable(saved) == ""
    assert damage(saved, "") == ""
    with pytest.raises(ModelError, match=rf"'{saved}' is damaged: {said}.*Take the folder from a copy"):
        require_whole(saved, before)


def test_without_a_record_either_file_may_be_the_changed_one(saved: Path) -> None:
    (saved / ".ovquant.json").unlink()
    assert damage(saved, model_digest(saved)) == ""
    assert damage(saved, "0" * 16).startswith("model.xml or model.bin is not the one that was measured")


@pytest.mark.parametrize("name", ["model.xml", "model.bin"])
def test_a_missing_or_empty_file_is_named(saved: Path, name: str) -> None:
    (saved / name).write_bytes(b"")
    assert unusable(saved) == damage(saved, "") == f"{name} is empty"
    (saved / name).unlink()
    assert unusable(saved) == damage(saved, "") == f"{name} is missing"


def test_a_cut_xml_is_known_by_its_end(saved: Path) -> None:
    (saved / "model.xml").write_text(XML[:-3])
    assert unusable(saved) == "model.xml is cut: its end is missing"
    # What stands behind the end is no end.
    (saved / "model.xml").write_text(XML + "x" * 80)
    assert unusable(saved) == "model.xml is cut: its end is missing"


def test_a_cut_bin_is_known_by_its_record(saved: Path) -> None:
    before = model_digest(saved)
    (saved / "model.bin").write_bytes(BIN[:150])
    assert unusable(saved) == damage(saved, before) == "model.bin is cut: 150 bytes of 200 are left"
    # Beside another model.xml it may be all that belongs to that.
    (saved / "model.xml").write_text(f" {XML}")
    assert unusable(saved) == ""
    (saved / "model.xml").write_text(XML)
    (saved / "model.bin").write_bytes(BIN + b"more")
    assert unusable(saved) == ""


def test_a_record_without_the_weights_proves_nothing_of_them(saved: Path) -> None:
    Record.of("run", saved, ["model.xml"]).write(saved)
    (saved / "model.bin").write_bytes(BIN[:150])
    assert unusable(saved) == ""
    assert damage(saved, "0" * 16).startswith("model.xml or model.bin is not the one")
