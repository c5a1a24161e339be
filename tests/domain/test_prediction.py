"""Predictions from tables, and the shrinking of noisy costs."""

import dataclasses

import numpy as np
import pytest

from ovquant.domain.prediction import predicted_cost, predicted_divergence, predicted_excess
from ovquant.domain.table import Candidate, LayerRow, Table, TrialRow, failed_row
from ovquant.stats.intervals import shrunk
from ovquant.testing import in_float

PARTS = ("default", "a", "b")


def row(parts: tuple[str, ...], cost: float, *layers: str, excess: float = 0.0, divergence: float = 0.1) -> TrialRow:
    return TrialRow(Candidate(parts, in_float(*layers)), excess, cost, cost + 0.01, divergence)


def table(*rows: TrialRow, **more: object) -> Table:
    return dataclasses.replace(Table(PARTS, 0.01, rows), **more)  # type: ignore[arg-type]


LAYERS = {("a",): (LayerRow("one", 0.04, 0.05), LayerRow("two", 0.03, -0.02), LayerRow("three", 0.01, 0.01))}


def test_nothing_known_predicts_float() -> None:
    assert predicted_cost(table(), Candidate(("a",))) == 1.0


def test_a_recipe_costs_what_it_grew_from_and_what_its_part_did_elsewhere() -> None:
    known = table(row(("a",), 0.6), row(("b",), 0.9), row(("b", "c"), 0.8))
    assert predicted_cost(known, Candidate(("a", "c"))) == pytest.approx(0.5)


def test_layers_add_to_the_nearest_plan_that_was_measured() -> None:
    known = table(row(("a",), 0.6), row(("a",), 0.7, "one"), layers=LAYERS)
    assert predicted_cost(known, Candidate(("a",), in_float("two"))) == pytest.approx(0.58)
    assert predicted_cost(known, Candidate(("a",), in_float("one", "two"))) == pytest.approx(0.68)
    assert predicted_cost(known, Candidate(("a",), in_float("three", "one", "two"))) == pytest.approx(0.69)


def test_divergence_falls_by_what_layers_gain_and_never_below_zero() -> None:
    known = table(row(("a",), 0.6), layers=LAYERS)
    assert predicted_divergence(known, Candidate(("a",), in_float("one"))) == pytest.approx(0.06)
    far = table(row(("a",), 0.6, divergence=0.05), layers=LAYERS)
    assert predicted_divergence(far, Candidate(("a",), in_float("one", "two"))) == 0.0
    assert predicted_divergence(known, Candidate(("b",))) is None


def test_excess_grows_with_divergence_whatever_the_noise() -> None:
    rows = [row(("a",), 0.6, excess=0.03), row(("b",), 0.6, excess=0.05, divergence=0.06)]
    known = table(*rows, layers=LAYERS)
    excesses = [predicted_excess(known, Candidate(("a",), in_float(*names))) for names in ((), ("three",), ("one",))]
    assert all(excess is not None for excess in excesses)
    assert excesses == sorted(excesses, reverse=True)  # type: ignore[type-var]
    assert predicted_excess(known, Candidate(("a",), in_float("one", "two", "three"))) < 0.02  # type: ignore[operator]


def test_failed_rows_predict_nothing() -> None:
    assert predicted_cost(table(failed_row(Candidate(("a",)))), Candidate(("a", "b"))) == 1.0
    assert predicted_excess(table(failed_row(Candidate(("a",)))), Candidate(("a",))) is None


def test_noise_shrinks_to_the_middle_and_a_real_difference_stays() -> None:
    generator = np.random.default_rng(3)
    values = [*generator.normal(0.01, 0.02, 40), 0.5]
    made = shrunk(values, [0.02] * 41)
    assert np.ptp(made[:-1]) < 0.5 * np.ptp(values[:-1])
    assert made[-1] > 0.4


def test_exact_measurements_are_left_alone() -> None:
    assert shrunk([0.1, 0.2, 0.3, 0.4], [0.0] * 4) == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert shrunk([0.1, 0.9], [1.0, 1.0]) == [0.1, 0.9]
