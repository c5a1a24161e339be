"""What is shown while a run goes on."""

import io
import sys
from dataclasses import replace

import pytest
from rich.console import Console

from ovquant.cli.progress import MOST_ROWS, Display
from tests.plugins.reports.conftest import trial


def test_the_fastest_plan_inside_the_budget_is_shown() -> None:
    display = Display(quiet=True)
    assert "fastest" not in display.status
    display.trial(trial("mixed", drop=0.02, ratio=0.5))
    assert "fastest" not in display.status
    for ratio, shown in ((0.8, "1.25×"), (0.9, "1.25×"), (0.625, "1.60×")):
        display.trial(trial("mixed", drop=0.004, ratio=ratio))
        assert display.status.endswith(f"{shown}, drop 0.004")
    display.trial(replace(trial("mixed", drop=0.0, ratio=0.1), problem="It does not run."))
    assert "1.60×" in display.status


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({}, ["int8, default in float: score 0.846, drop 0.004 (inside the budget), speed 1.25×, p50 6.4 ms [4 s]"]),
        ({"quiet": True}, []),
        (
            {"verbose": True},
            [
                "[0 s] reading the model and the data",
                "[0 s] timing",
                "int8, default in float: score 0.846, drop 0.004 (inside the budget), speed 1.25×, p50 6.4 ms [4 s]",
            ],
        ),
    ],
)
def test_without_a_terminal_there_are_lines(
    how: dict[str, bool], expected: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with Display(**how) as display:
        display.step("timing", 0, 3)
        display.step("timing", 1, 3)
        display.trial(trial("default", drop=0.004, ratio=0.8))
    assert capsys.readouterr().err.splitlines() == expected


def shown(display: Display) -> list[str]:
    """Return the lines of the live table as a terminal of 80 columns shows them."""
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(display.table)
    return [line.rstrip() for line in console.export_text().splitlines()]


def test_the_table_has_the_last_trials_and_the_best() -> None:
    display = Display(quiet=True)
    assert "trial" not in "".join(shown(display))
    display.trial(trial("best", drop=0.004, ratio=0.5))
    display.trial(replace(trial("odd", drop=0.0, ratio=0.1), search=None, problem="not scored: it is slow"))
    for number in range(MOST_ROWS):
        display.trial(trial(f"part{number}", drop=0.02, ratio=0.5))
    heading, first, *others = [line for line in shown(display) if line]
    assert heading.split() == ["trial", "drop", "speed-up", "took"]
    assert first.split() == ["→", *["int8,", "best", "in", "float"], "0.004", "2.00×", "4", "s"]
    assert len(others) == MOST_ROWS - 1
    assert all("part" in line and "✗" in line for line in others)


def test_a_trial_that_was_not_scored_says_what_became_of_it() -> None:
    display = Display(quiet=True)
    problem = "not scored: int8 is inside the budget and surely cheaper"
    display.trial(replace(trial("odd", drop=0.0, ratio=0.1), search=None, problem=problem))
    assert shown(display)[-1].split("  ")[1] == "int8, odd in float: not scored"


def test_a_terminal_shows_the_best_and_the_stage(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    with Display() as display:
        display.trial(trial("default", drop=0.004, ratio=0.8))
        display.step("timing the finalists", 1, 3)
        display._live.refresh()
    seen = capsys.readouterr().err
    assert "so far the fastest inside the budget: " in seen
    assert "timing the finalists" in seen
    assert "speed-up" in seen
