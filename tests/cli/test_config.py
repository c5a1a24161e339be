"""A run is described in a file, which `init` begins and flags win over."""

import tomllib
from pathlib import Path

import pytest
import typer

from ovquant.cli.app import app
from ovquant.cli.config import options_in
from ovquant.errors import UsageError
from tests.cli.conftest import QUICK, Case, Run

PARAMETERS = typer.main.get_command(app).commands["quantize"].params  # type: ignore[attr-defined]


def written(folder: Path, text: str) -> Path:
    path = folder / "ovquant.toml"
    path.write_text(text)
    return path


def test_options_are_read_by_their_flags(tmp_path: Path) -> None:
    text = 'model = "net.xml"\nmax_drop = "1%"\nmetric = ["f1", "wer"]\nbatch = 2\npareto = true\nproperty = {NUM_STREAMS = 1}\n'
    assert options_in(written(tmp_path, text), PARAMETERS) == {
        "model": "net.xml",
        "max_drop": ["1%"],
        "metric": ["f1", "wer"],
        "batch": "2",
        "pareto": True,
        "property_": ["NUM_STREAMS=1"],
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model = ", "is not TOML"),
        ('max-drob = "1%"', "has 'max-drob', which is no option; did you mean 'max-drop'"),
        ("zzz = 1", "which is no option. It takes allow-float, batch"),
        ("force = true", "which is no option"),
        ("model = [1, 2]", "is a list, and the option takes one value"),
        ("metric = [[1]]", "should be a text, a number, true or false, or a list of these"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        options_in(written(tmp_path, text), PARAMETERS)
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        options_in(tmp_path / "nowhere.toml", PARAMETERS)


def test_a_run_is_begun_by_init_and_repeated_from_what_it_saved(run: Run, pair: Case, tmp_path: Path) -> None:
    begun = run("init", pair.model, "--data", pair.data)
    assert begun.code == 0, begun.err
    first = tmp_path / "ovquant.toml"
    values = tomllib.loads(first.read_text())
    assert (values["model"], values["data"], values["metric"]) == (str(pair.model), str(pair.data), "fidelity")
    flags = ("--config", first, "--metric", "accuracy", "--max-drop", "2%", *QUICK, "-o", tmp_path / "one")
    ran = run("quantize", *flags, "--save-config", tmp_path / "saved.toml")
    assert ran.code == 0, ran.err
    assert f"Options of {first} are taken" in ran.err
    saved = tomllib.loads((tmp_path / "saved.toml").read_text())
    # Flags win, and what neither gives is left out.
    assert (saved["metric"], saved["max-drop"]) == (["accuracy"], ["2%"])
    assert saved["model"] == str(pair.model)
    assert "confidence" not in saved
    again = run("quantize", "--config", tmp_path / "saved.toml", "-o", tmp_path / "two", "--json")
    assert again.code == 0, again.err
    assert again.json["metric"] == "Accuracy"
    assert again.json["budget"]["max_drop"] == {"value": 0.02, "relative": True}


def test_a_dry_run_searches_nothing_and_writes_nothing(run: Run, pair: Case, tmp_path: Path) -> None:
    command = ("quantize", pair.model, "--data", pair.data, "--metric", "accuracy", "--max-drop", "2%", "--dry-run")
    ran = run(*command, "-o", tmp_path / "out")
    assert ran.code == 0, ran.err
    assert ran.out.startswith("Nothing was searched (--dry-run).")
    for word in (
        "search ",
        "holdout ",
        "a drop of at most 2%",
        "int8 weights",
        "to score float and one plan",
        "out",
    ):
        assert word in ran.out
    found = run(*command, "--json").json
    assert f"holdout {found['samples']['holdout']}" in ran.out
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_over(run: Run, pair: Case, tmp_path: Path) -> None:
    path = written(tmp_path, "mine")
    for command in (("init", pair.model), ("quantize", pair.model, "--data", pair.data, "--metric", "accuracy")):
        flags = ("-o", path) if command[0] == "init" else ("--max-drop", "1%", "--save-config", path)
        ran = run(*command, *flags)
        assert ran.code == 1
        assert "is there already" in ran.err
    assert path.read_text() == "mine"


def test_a_missing_option_and_a_wrong_file_are_usage_errors(run: Run, tmp_path: Path) -> None:
    ran = run("quantize", "--config", written(tmp_path, 'model = "net.xml"'))
    assert ran.code == 2
    assert "Missing option '--data'" in ran.err
    ran = run("quantize", "--config", written(tmp_path, 'mdel = "net.xml"'))
    assert ran.code == 2
    assert "did you mean 'model'" in ran.err
