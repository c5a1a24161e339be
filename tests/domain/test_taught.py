"""What a training was is told, kept with a plan, and decides by its numbers what is built."""

import json
from dataclasses import replace
from pathlib import Path

from ovquant.domain.plan import Plan
from ovquant.domain.recipe import Recipe
from ovquant.domain.taught import Taught

TAUGHT = Taught(
    "by-block", "abc", "def", 300, 7, 60.0, 0.003, 40, 50, 0.5, 0.25, ((0, 0.5), (40, 0.25)), 2, {"torch": "2.13.0"}
)
RECIPE = Recipe(algorithm="weights", weight_bits=4, group_size=64, trainer="by-block", train_seconds=60.0)


def test_it_says_what_it_gained() -> None:
    assert TAUGHT.told == (
        "trained by by-block for up to 60 s: outputs are 0.25 from float's, and were 0.5 before, on samples that were not trained on, after "
        "40 of 50 steps at the rate 0.003"
    )
    nothing = replace(TAUGHT, steps=0, notes=("it was ended",))
    assert (
        nothing.told
        == "trained by by-block for up to 60 s: nothing brought outputs nearer to float's than 0.5; it was ended"
    )


def test_a_plan_that_is_read_means_the_numbers_that_it_was_measured_with(tmp_path: Path) -> None:
    plan = Plan("int4", RECIPE, taught=TAUGHT)
    plan.save(tmp_path / "plan.json")
    found = Plan.load(tmp_path / "plan.json")
    assert found.taught == TAUGHT
    assert found.recipe == replace(RECIPE, trained="abc")
    assert found.key != plan.key
    # How they came about changes nothing of what is built.
    assert replace(found, taught=None).key == found.key
    assert "taught" not in json.loads(json.dumps(Plan("int4", RECIPE).to_json()))


def test_the_recipe_before_training_is_the_same_without_it() -> None:
    assert RECIPE.untrained == Recipe(algorithm="weights", weight_bits=4, group_size=64)
    assert replace(RECIPE, trained="abc").untrained == RECIPE.untrained
    whole = Recipe(algorithm="trained", trained="abc")
    assert whole.untrained == whole
