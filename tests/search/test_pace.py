"""The time of a recipe is foreseen from those of the same model and data, and what would exceed the time left is not started."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ovquant.domain.plan import Plan
from ovquant.domain.recipe import Recipe
from ovquant.domain.table import Candidate
from ovquant.domain.trial import Score, Scores, Trial
from ovquant.search import loop
from ovquant.search.pace import expected_seconds
from tests.search.played import Scripted, search

SCORED = Scores((Score("search", 1.0, 1.0, 0.0, -0.1, 100, metric="accuracy"),))


def tried(seconds: float, recipe: Recipe | None = None, **changes: Any) -> Trial:
    return Trial(Plan("tried", recipe or Recipe()), search=SCORED, seconds=seconds, **changes)


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        (Recipe(), 10),
        (Recipe(preset="mixed", keep_float_types=("Add",)), 10),
        (Recipe(bias_correction="accurate"), 20),
        (Recipe(activation_range="histogram"), 15),
        (Recipe(activation_range="histogram", bias_correction="accurate"), 30),
        (Recipe(calibration_size=300), 30),
        (Recipe(algorithm="weights"), None),
        (Recipe(algorithm="accuracy-control"), None),
        (None, None),
    ],
)
def test_it_grows_with_what_is_to_be_done(recipe: Recipe | None, expected: float | None) -> None:
    assert expected_seconds(recipe, [tried(10)]) == expected


def test_it_is_drawn_from_whole_trials_of_the_kind() -> None:
    accurate = tried(40, Recipe(bias_correction="accurate"))
    assert expected_seconds(Recipe(), [accurate]) == 20
    assert expected_seconds(Recipe(), [tried(10), accurate, tried(90)]) == 20
    others = [
        replace(accurate, search=None),
        tried(5, Recipe(algorithm="weights")),
        Trial(Plan("float"), search=SCORED),
    ]
    layers = Trial(Plan("part", Recipe(), layers={"first": "f32"}), search=SCORED, seconds=1)
    assert expected_seconds(Recipe(), [*others, layers]) is None


def test_what_would_exceed_the_time_left_is_not_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hunt, _ = search(tmp_path, Scripted((Candidate(("default",)), Candidate(("mixed",)), Candidate(("weights",)))))
    hunt.until = loop.time.monotonic() + 3600
    monkeypatch.setattr(loop, "expected_seconds", lambda recipe, known: 7200 if recipe.preset == "mixed" else None)
    trials = {trial.plan.name: trial for trial in hunt.explore().standings.trials.values()}
    assert trials["mixed"].problem.startswith("not started: it takes about 7200 s, and 3")
    assert trials["mixed"].timing is None
    assert [bool(trials[name].timing) for name in ("default", "weights")] == [True, True]
    assert hunt.notes.count(loop.NOT_STARTED) == 1
