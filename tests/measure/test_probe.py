"""Layers that are measured one at a time, and what is made of their figures."""

from pathlib import Path

import pytest

from ovquant.domain.layer import F32, FLOAT
from ovquant.domain.table import LayerLevel
from ovquant.measure.instruments import probing
from ovquant.measure.probe import anchored, blocks
from tests.measure.made import IN_F32, instruments, plan


def test_layers_together_save_no_more_than_float_does() -> None:
    costs = anchored([-0.02, -0.02, -0.02, 0.01], [0.01, 0.01, 0.01, 0.01], least=-0.03)
    assert sum(costs) == pytest.approx(-0.03)
    assert costs == pytest.approx([-0.015, -0.015, -0.015, 0.015])


def test_what_is_certain_is_raised_less() -> None:
    certain, uncertain = anchored([-0.1, -0.1], [0.001, 0.1], least=-0.1)
    assert certain == pytest.approx(-0.1, abs=1e-4)
    assert uncertain == pytest.approx(0.0, abs=1e-4)


def test_layers_that_cost_more_one_at_a_time_stay_as_measured() -> None:
    assert anchored([0.2, 0.3], [0.1, 0.1], least=0.1) == [0.2, 0.3]
    assert anchored([-0.2, 0.0], [0.0, 0.0], least=0.5) == [-0.2, 0.0], "sizes are exact"


@pytest.mark.parametrize(("count", "most"), [(1, 24), (24, 24), (25, 24), (520, 24)])
def test_blocks_are_even_runs_of_neighbours(count: int, most: int) -> None:
    names = [f"layer{place}" for place in range(count)]
    groups = list(blocks(names, most))
    assert [name for group in groups for name in group] == names
    assert len(groups) == min(count, most)
    assert max(map(len, groups)) - min(map(len, groups)) <= 1


def test_two_layers_in_float_gain_more_than_either_and_are_measured_once(tmp_path: Path) -> None:
    made = probing(instruments(tmp_path), plan(), float("inf"))
    groups = [("first",), ("second",), ("first", "second")]
    assert [layer.name for layer in made.quantized.layers] == ["first", "second"]
    found = dict(made.measure(groups, FLOAT))
    first, second, both = (found[group].gain for group in groups)
    assert 0 < min(first, second) <= max(first, second) < both
    assert dict(made.measure(groups, FLOAT)) == found


def test_layers_have_a_row_for_each_level(tmp_path: Path) -> None:
    made = probing(instruments(tmp_path), IN_F32, float("inf"))
    rows = made.layers(0.5, (FLOAT, F32))
    names = [layer.name for layer in made.quantized.layers]
    others = [layer.name for layer in made.quantized.at(F32) if layer.name not in names]
    assert [(row.name, row.level) for row in rows] == [
        *((name, FLOAT) for name in names),
        *((name, F32) for name in [*names, *others]),
    ]
    gains = {row.choice: row.gain for row in rows}
    for name in names:
        # Float is computed in f32 here, so that the outputs are the same.
        assert gains[LayerLevel(name, F32)] == pytest.approx(gains[LayerLevel(name, FLOAT)])
