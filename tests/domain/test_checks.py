"""A result holds for the int8 arithmetic that it was measured with, and for those that a check of it was passed on."""

import json
from pathlib import Path

import pytest

from ovquant.domain.checks import CHECKS, doubt, measured_with, passed_on, record_check
from ovquant.errors import OutputError


def test_a_result_says_with_which_arithmetic_it_was_measured() -> None:
    assert measured_with({"int8": "saturating", "instructions": ["avx512_vnni"]}) == "saturating"
    assert measured_with({"int8": "exact", "instructions": ["avx2"]}) == "exact"


@pytest.mark.parametrize(
    ("instructions", "expected"),
    [
        (["avx2"], "saturating"),
        (["avx2", "avx512f", "amx_bf16"], "saturating"),
        (["avx2", "avx_vnni"], "exact"),
        (["avx2", "avx512f", "avx512_vnni"], "exact"),
        (["amx_int8"], "exact"),
        ([], "exact"),
    ],
)
def test_one_of_before_is_told_by_its_instructions(instructions: list[str], expected: str) -> None:
    assert measured_with({"device": "CPU", "instructions": instructions}) == expected


def test_without_instructions_nothing_saturates() -> None:
    assert measured_with({"device": "GPU"}) == "exact"


def test_a_check_that_was_met_passes_its_arithmetic(tmp_path: Path) -> None:
    assert passed_on(tmp_path, "a") == set()
    record_check(tmp_path, int8="saturating", digest="a", verdict="met")
    assert passed_on(tmp_path, "a") == {"saturating"}
    record_check(tmp_path, int8="exact", digest="a", verdict="met")
    assert passed_on(tmp_path, "a") == {"exact", "saturating"}


@pytest.mark.parametrize("verdict", ["missed", "inconclusive"])
def test_one_that_was_not_met_passes_nothing_and_takes_back_an_earlier_one(tmp_path: Path, verdict: str) -> None:
    record_check(tmp_path, int8="exact", digest="a", verdict=verdict)
    assert passed_on(tmp_path, "a") == set()
    record_check(tmp_path, int8="exact", digest="a", verdict="met")
    record_check(tmp_path, int8="saturating", digest="a", verdict="met")
    record_check(tmp_path, int8="exact", digest="a", verdict=verdict)
    assert passed_on(tmp_path, "a") == {"saturating"}


def test_a_check_of_another_model_says_nothing_of_this_one(tmp_path: Path) -> None:
    record_check(tmp_path, int8="exact", digest="a", verdict="met")
    record_check(tmp_path, int8="exact", digest="b", verdict="missed")
    assert passed_on(tmp_path, "a") == {"exact"}
    assert passed_on(tmp_path, "b") == set()


def test_lines_that_are_torn_or_of_others_prove_nothing(tmp_path: Path) -> None:
    record_check(tmp_path, int8="exact", digest="a", verdict="met")
    lines = ['{"int8": "saturating", "model_digest": "a", "verd', "[1, 2]", '{"model_digest": "a"}', "null", ""]
    with (tmp_path / CHECKS).open("a") as file:
        file.write("\n".join(lines))
    assert passed_on(tmp_path, "a") == {"exact"}


def test_each_check_is_a_line_of_json(tmp_path: Path) -> None:
    for verdict in ("met", "missed"):
        record_check(tmp_path, int8="exact", digest="a", verdict=verdict)
    entries = [json.loads(line) for line in (tmp_path / CHECKS).read_text().splitlines()]
    assert [entry["verdict"] for entry in entries] == ["met", "missed"]
    assert {(entry["int8"], entry["model_digest"], entry.keys() >= {"time"}) for entry in entries} == {
        ("exact", "a", True)
    }


def test_a_check_that_cannot_be_recorded_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot be recorded in '.*none': .*Make the folder writable"):
        record_check(tmp_path / "none", int8="exact", digest="a", verdict="met")


def test_a_model_is_doubted_where_it_was_neither_measured_nor_checked(tmp_path: Path) -> None:
    assert doubt(tmp_path, "a", measured="exact", here="exact") == ""
    text = doubt(tmp_path, "a", measured="exact", here="saturating")
    assert "products are exact, and here they are saturating" in text
    assert f"ovquant check {tmp_path}" in text
    record_check(tmp_path, int8="exact", digest="a", verdict="met")
    assert doubt(tmp_path, "a", measured="exact", here="saturating") == text
    record_check(tmp_path, int8="saturating", digest="a", verdict="met")
    assert doubt(tmp_path, "a", measured="exact", here="saturating") == ""
    assert doubt(tmp_path, "b", measured="exact", here="saturating") == text
