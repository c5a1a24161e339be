"""Documents are as their schemas say; what is printed is checked wherever a test reads it (`Ran.json`)."""

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, ValidationError

from ovquant.cli.documents import documents, schema_of
from ovquant.cli.schema import KINDS
from tests.cli.conftest import Ran, Run, closed

CLI = Path(__file__).resolve().parents[2] / "ovquant/cli"


def test_every_kind_that_is_printed_has_a_schema() -> None:
    printed = {kind for file in CLI.glob("*.py") for kind in re.findall(r'print_json\(\s*"([\w-]+)"', file.read_text())}
    assert printed | {"plan", "profile-line"} == KINDS.keys() == documents().keys()


@pytest.mark.parametrize("kind", KINDS)
def test_schemas_are_valid(kind: str) -> None:
    Draft202012Validator.check_schema(schema_of(kind))


def test_files_of_a_result_are_as_their_schemas_say(finished: tuple[Path, Ran]) -> None:
    folder, _ = finished
    for name, kind in (("result.json", "result"), ("plan.json", "plan")):
        Draft202012Validator(closed(schema_of(kind))).validate(json.loads((folder / name).read_text()))
    lines = (folder / "profile.jsonl").read_text().splitlines()
    assert lines
    for line in lines:
        Draft202012Validator(closed(schema_of("profile-line"))).validate(json.loads(line))


def test_a_field_that_no_schema_names_is_seen(finished: tuple[Path, Ran]) -> None:
    values = json.loads((finished[0] / "plan.json").read_text())
    with pytest.raises(ValidationError, match="made_up"):
        Draft202012Validator(closed(schema_of("plan"))).validate({**values, "made_up": 1})


def test_the_command(run: Run) -> None:
    assert json.loads(run("schema", "devices").out) == schema_of("devices")
    assert all(kind in run("schema").out for kind in KINDS)
    refused = run("schema", "devises")
    assert (refused.code, refused.out) == (1, "")
    assert "no kind of document 'devises'" in refused.err


def test_an_error_is_a_document_too(run: Run, tmp_path: Path) -> None:
    ran = run("inspect", tmp_path / "none.xml", "--json")
    assert ran.code == 1
    assert ran.json["document"] == "error"
    assert "none.xml" in ran.json["error"]
