"""How values are spread over the steps of their quantizers, beside the arrays themselves."""

from pathlib import Path

import numpy as np
import pytest

from ovquant import runtime
from ovquant.domain.recipe import Recipe
from ovquant.measure import spreads
from ovquant.measure.operations import timed_operations
from ovquant.measure.spreads import BINS, with_spreads
from tests.measure.made import instruments, plan


def test_weights_are_counted_as_they_are_stored(tmp_path: Path) -> None:
    models = instruments(tmp_path).models
    found = with_spreads(models, plan(), timed_operations(models, plan()))
    model = runtime.core().read_model(models.build(plan()))
    constants = {
        node.get_friendly_name(): node for node in model.get_ordered_ops() if node.get_type_name() == "Constant"
    }
    stored = [grid for item in found for grid in item.quantizers if grid.of == "weights"]
    assert len(stored) == 2
    for grid in stored:
        spread, values = grid.spread, np.asarray(constants[grid.name].data).ravel()
        assert spread is not None
        assert (spread.first, spread.last, spread.clipped) == (-128, 127, 0.0)
        assert spread.counts == tuple(np.histogram(values, BINS, (-128, 127))[0])


def test_activations_are_counted_in_steps_on_samples_of_the_search_split(tmp_path: Path) -> None:
    models = instruments(tmp_path).models
    first = with_spreads(models, plan(), timed_operations(models, plan()))[0]
    (grid,) = [grid for grid in first.quantizers if grid.of == "activations"]
    assert grid.spread is not None
    assert grid.scale_min is not None
    assert grid.zero_min is not None
    inputs = np.concatenate([models.splits.search[place].inputs for place in range(spreads.REQUESTS)])
    steps = inputs / grid.scale_min + grid.zero_min
    assert sum(grid.spread.counts) == steps.size
    assert (grid.spread.first, grid.spread.last) == (0, 255)
    # A zero point is whole.
    assert grid.spread.low == pytest.approx(min(0.0, steps.min()), abs=1)
    assert grid.spread.high == pytest.approx(max(255.0, steps.max()), abs=1)
    assert grid.spread.clipped == pytest.approx(np.mean((steps < -0.5) | (steps > 255.5)), abs=0.02)


def test_what_lies_outside_is_counted(tmp_path: Path) -> None:
    # The ranges are those of one sample.
    recipe = plan(recipe=Recipe(calibration_size=1))
    models = instruments(tmp_path).models
    found = with_spreads(models, recipe, timed_operations(models, recipe))
    shares = [grid.spread.clipped for item in found for grid in item.quantizers if grid.spread is not None]
    assert max(shares) > 0


def test_only_the_slowest_operations_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreads, "MOST_OPERATIONS", 1)
    models = instruments(tmp_path).models
    operations = timed_operations(models, plan())
    slowest = max(operations, key=lambda item: item.float_micros or 0.0)
    for item in with_spreads(models, plan(), operations):
        assert all((grid.spread is not None) == (item.name == slowest.name) for grid in item.quantizers)


def test_a_model_without_quantizers_has_none(tmp_path: Path) -> None:
    models = instruments(tmp_path).models
    operations = timed_operations(models, models.float_plan)
    assert with_spreads(models, models.float_plan, operations) == operations
