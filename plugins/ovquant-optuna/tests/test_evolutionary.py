"""The evolutionary strategy: the contract suite, what it finds in synthetic tables, and one real search."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops
from ovquant_optuna.evolutionary import Evolutionary, best_recipe

from ovquant.api.quantize import quantize
from ovquant.errors import UsageError
from ovquant.plugins.registry import Registry
from ovquant.protocols import Candidate, Probe, Sample, Strategy
from ovquant.testing import HEAVY, HIDDEN_TRUTHS, HiddenTruth, StrategyContract

SMALL = Evolutionary(trials=12, population=4)


@pytest.mark.parametrize("options", ["trials=12,population=4", "trials=1", "trials=3,population=2"])
class TestContract(StrategyContract):
    """Every rule for strategies."""

    heavy = (*HEAVY, "optuna")

    @pytest.fixture
    def strategy(self, options: str) -> Strategy:
        return Registry("strategies").resolve(f"evolutionary:{options}")


def candidates(truth: HiddenTruth, strategy: Evolutionary) -> list[Candidate]:
    return [proposal for _, proposal in truth.play(strategy) if isinstance(proposal, Candidate)]


def test_is_listed_with_its_options() -> None:
    (listing,) = [item for item in Registry("strategies").listings() if item.name == "evolutionary"]
    assert listing.distribution == "ovquant-optuna"
    assert listing.options == ("trials=40", "population=8")
    assert not listing.problem


def test_ends_after_the_trials_it_was_given() -> None:
    assert len(candidates(HIDDEN_TRUTHS["many layers"], SMALL)) == 12


def test_at_most_half_of_the_trials_are_recipes() -> None:
    tried = candidates(HIDDEN_TRUTHS["many layers"], SMALL)
    assert sum(not candidate.levels for candidate in tried) == 6


def test_a_small_space_is_exhausted() -> None:
    truth = HiddenTruth(parts={"default": 0.0, "a": 0.01, "b": 0.01}, layers={"x": 0.01, "y": 0.01, "z": 0.01})
    tried = candidates(truth, Evolutionary(trials=100, population=4))
    recipes = {candidate.parts for candidate in tried if not candidate.levels}
    assert recipes == {("default",), ("a",), ("b",), ("a", "b")}
    # All of the eight sets of three layers but the empty one, a recipe, and the full one, which is float.
    assert len({candidate.levels for candidate in tried if candidate.levels}) == 6


def test_only_the_best_recipe_is_probed() -> None:
    proposals = [proposal for _, proposal in HIDDEN_TRUTHS["plain"].play(SMALL)]
    (probe,) = [proposal for proposal in proposals if isinstance(proposal, Probe)]
    assert "good" in probe.parts


@pytest.mark.parametrize("seed", range(5))
def test_finds_a_plan_inside_where_no_recipe_is(seed: int) -> None:
    truth = replace(HIDDEN_TRUTHS["many layers"], parts={"default": 0.0}, start=0.06, seed=seed)
    rows = [truth.row(candidate) for candidate in candidates(truth, Evolutionary())]
    assert not rows[0].inside
    assert any(row.inside for row in rows)


def test_evolves_plans_that_the_first_generation_lacks() -> None:
    """Layers of which the ranking says nothing: only breeding tells them apart."""
    gains = {f"layer{place}": 0.01 if place in (2, 9, 11) else 0.0 for place in range(12)}
    truth = HiddenTruth(parts={"default": 0.0}, layers=gains, start=0.03, allowed=0.005)

    class Blind(HiddenTruth):
        def ranking(self, parts):
            return tuple(replace(row, gain=0.0) for row in truth.ranking(parts))

    blind = Blind(parts=truth.parts, layers=truth.layers, start=truth.start, allowed=truth.allowed)
    rows = [truth.row(candidate) for candidate in candidates(blind, Evolutionary(trials=60))]
    assert min(row.excess for row in rows) < min(row.excess for row in rows[:9])


def test_the_seed_changes_the_search() -> None:
    truth = HIDDEN_TRUTHS["many layers"]
    assert candidates(truth, SMALL) != candidates(replace(truth, seed=1), SMALL)


def test_other_strategies_trials_count() -> None:
    truth = HIDDEN_TRUTHS["plain"]
    table = truth.answered(truth.table(), Candidate(("bad",)))
    proposal = SMALL.propose(table)
    assert isinstance(proposal, Candidate)
    assert proposal != Candidate(("bad",))


def test_best_recipe_weighs_cost_against_budgets() -> None:
    truth = HiddenTruth(parts={"a": 0.035, "b": 0.0}, allowed=0.01)
    rows = [truth.row(Candidate((part,))) for part in ("a", "b")]
    assert best_recipe(truth.table(), rows) == rows[0]
    assert best_recipe(truth.table(), [replace(row, failed=True) for row in rows]) is None


@pytest.mark.parametrize("options", ["trials=0", "population=1"])
def test_senseless_options_are_refused(options: str) -> None:
    with pytest.raises(UsageError, match="at least"):
        Registry("strategies").resolve(f"evolutionary:{options}")


def model() -> openvino.Model:
    """Return a model that is much faster with int8: of one that seems slower no mixtures with float are tried."""
    generator = np.random.default_rng(0)

    def weights(*shape: int) -> openvino.Node:
        return ops.constant((generator.standard_normal(shape) * 0.3).astype(np.float32))

    image = ops.parameter([1, 3, 32, 32], np.float32, name="image")
    first = ops.relu(ops.convolution(image, weights(64, 3, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1]))
    second = ops.relu(ops.convolution(first, weights(64, 64, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1]))
    pooled = ops.reduce_mean(second, ops.constant(np.array([2, 3])), keep_dims=False)
    scores = ops.matmul(pooled, weights(64, 4), transpose_a=False, transpose_b=False)
    return openvino.Model([scores], [image], "net")


def test_a_real_search(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    data = [Sample(generator.standard_normal((3, 32, 32)).astype(np.float32)) for _ in range(100)]
    result = quantize(
        model(),
        data=data,
        metric="fidelity",
        max_drop=0.5,
        recipes=["default", "mixed"],
        strategy=Evolutionary(trials=4, population=2),
        output=tmp_path / "out",
    )
    names = [trial.plan.name for trial in result.trials]
    assert len(names) == 4
    assert {"default", "mixed"} <= set(names)
    assert sum(bool(trial.plan.layers) for trial in result.trials) == 2
    assert all(trial.timing or trial.problem.startswith("not calibrated: it takes ") for trial in result.trials)
    assert result.verdict in ("met", "float", "inconclusive")
    assert (tmp_path / "out" / "model.xml").exists()
