"""What is shown while a run goes on."""

import sys
from dataclasses import replace

import pytest

from ovquant.cli.progress import Display
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


def test_a_terminal_shows_the_best_and_the_stage(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    with Display() as display:
        display.trial(trial("default", drop=0.004, ratio=0.8))
        display.step("timing the finalists", 1, 3)
        display._live.refresh()
    shown = capsys.readouterr().err
    assert "so far the fastest inside the budget: " in shown
    assert "timing the finalists" in shown
