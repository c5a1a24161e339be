"""Hold a strategy to its protocol, by playing it against tables whose truth is known."""

import copy
import dataclasses
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

import pytest

from ovquant.domain.layer import F32, FLOAT
from ovquant.domain.table import (
    Calibration,
    CalibrationRow,
    Candidate,
    LayerLevel,
    LayerRow,
    Levels,
    PairRow,
    PartNames,
    Probe,
    Proposal,
    Table,
    TrialRow,
)
from ovquant.plugins.protocols import Strategy
from ovquant.testing.plugins import PluginContract


def in_float(*names: str) -> Levels:
    """Return the layers named, put back to the device's own float."""
    return frozenset(map(LayerLevel, names))


MORE_GAINED, MORE_SPENT = {FLOAT: 1.0, F32: 1.5}, {FLOAT: 1.0, F32: 2.5}
"""How many times what a layer gains and costs in float it gains and costs at each level."""


@dataclasses.dataclass(frozen=True)
class HiddenTruth:
    """What a search would measure, were it real: small tables in which every figure follows from a rule.

    `parts` maps each recipe part on offer to what it takes off the excess, `layers` each layer to what putting it back
    to float takes off; `start` is the excess of a recipe that takes nothing off. The first part on offer alone has
    `start`. Each layer in float costs `layer_cost`, or what `layer_costs` says of it, and two layers of `together` in
    float take off that much more. With `failing`, no candidate can be built. The layers of each recipe have names of
    their own, so that a layer of another recipe is noticed.
    """

    parts: Mapping[str, float] = dataclasses.field(
        default_factory=lambda: {"plain": 0.0, "good": 0.02, "bad": -0.01, "good:size=3": 0.005}
    )
    layers: Mapping[str, float] = dataclasses.field(
        default_factory=lambda: {"first": 0.008, "middle": 0.001, "head": 0.012, "tail": 0.0, "side": 0.004}
    )
    start: float = 0.04
    allowed: float = 0.01
    layer_cost: float = 0.03
    layer_costs: Mapping[str, float] = dataclasses.field(default_factory=dict)
    together: Mapping[tuple[str, str], float] = dataclasses.field(default_factory=dict)
    free: frozenset[str] = frozenset()
    opening: PartNames = ()
    failing: bool = False
    failed_figure: float = float("inf")
    seed: int = 0

    def row(self, candidate: Candidate) -> TrialRow:
        """Return a candidate as it would be measured."""
        if self.failing:
            figure = self.failed_figure
            return TrialRow(candidate, figure, figure, figure, figure, failed=True)
        known = {self._layer(candidate.parts, layer): layer for layer in self.layers}
        levels = {known[name]: level for name, level in sorted(candidate.levels)}
        gained = sum(self.parts[part] for part in candidate.parts) + self._gain(levels)
        excess = self.start - gained - self.allowed
        changed = sum(self._cost(layer, level) for layer, level in levels.items())
        cost = 0.5 + changed + 0.02 * len(set(candidate.parts) - self.free)
        return TrialRow(candidate, excess, cost, cost + 0.01, max(0.0, self.start - gained))

    def ranking(self, parts: PartNames) -> tuple[LayerRow, ...]:
        """Return the layers of a recipe as they would be probed."""
        return tuple(
            LayerRow(self._layer(parts, layer), self._gain({layer: level}), self._cost(layer, level), level)
            for level in self.levels(parts)
            for layer in self.layers
        )

    def levels(self, parts: PartNames) -> tuple[str, ...]:
        """Return the levels that the layers of a recipe can be put back to."""
        return (FLOAT,)

    def pairs(self, parts: PartNames, names: frozenset[str]) -> tuple[PairRow, ...]:
        """Return pairs of the layers of a recipe as they would be probed."""
        layers = [layer for layer in self.layers if self._layer(parts, layer) in names]
        level = self.levels(parts)[0]
        return tuple(
            PairRow(
                self._layer(parts, first),
                self._layer(parts, second),
                self._gain({first: level, second: level}),
                self._cost(first, level) + self._cost(second, level),
            )
            for first, second in combinations(layers, 2)
        )

    def _gain(self, levels: Mapping[str, str]) -> float:
        both = sum(more for pair, more in self.together.items() if set(pair) <= set(levels))
        return sum(MORE_GAINED[level] * self.layers[layer] for layer, level in levels.items()) + both

    def _cost(self, layer: str, level: str) -> float:
        return MORE_SPENT[level] * self.layer_costs.get(layer, self.layer_cost)

    def table(self) -> Table:
        """Return the table before anything is tried."""
        return Table(tuple(self.parts), self.allowed, seed=self.seed, free=self.free, opening=self.opening)

    def calibrations(self, parts: PartNames) -> tuple[CalibrationRow, ...]:
        """Return recipes with the operations of one, and numbers that differ, nearest to float first."""
        fixed, numbers = set(parts) - self.free, sorted(self.free)
        chosen = [fixed | set(some) for count in range(len(numbers) + 1) for some in combinations(numbers, count)]
        ordered = [tuple(part for part in self.parts if part in names) for names in chosen]
        rows = [CalibrationRow(names, self.row(Candidate(names)).divergence) for names in ordered if names]
        return tuple(sorted(rows, key=lambda row: (row.divergence, row.parts)))

    def answered(self, table: Table, proposal: Proposal) -> Table:
        """Return the table with a proposal's answer in it."""
        if isinstance(proposal, Calibration):
            rows = self.calibrations(proposal.parts)
            return dataclasses.replace(
                table, calibrations={**table.calibrations, table.operations(proposal.parts): rows}
            )
        if isinstance(proposal, Probe) and proposal.pairs:
            pairs = {**table.pairs, proposal.parts: self.pairs(proposal.parts, proposal.pairs)}
            return dataclasses.replace(table, pairs=pairs)
        if isinstance(proposal, Probe):
            layers = {**table.layers, proposal.parts: self.ranking(proposal.parts)}
            return dataclasses.replace(table, layers=layers)
        return dataclasses.replace(table, trials=(*table.trials, self.row(proposal)))

    def play(self, strategy: Strategy, most_steps: int = 1000) -> Iterator[tuple[Table, Proposal | None]]:
        """Yield every table and what the strategy says to it, None last; fail when it does not end."""
        table = self.table()
        for _ in range(most_steps):
            proposal = strategy.propose(table)
            yield table, proposal
            if proposal is None:
                return
            table = self.answered(table, proposal)
        pytest.fail(f"the strategy did not end within {most_steps} steps")

    @staticmethod
    def _layer(parts: PartNames, layer: str) -> str:
        return f"{'+'.join(parts)}/{layer}"


@dataclasses.dataclass(frozen=True)
class BelowF32(HiddenTruth):
    """A truth where float as the device computes it is outside the budget, and layers of it can be kept in f32."""

    pinning: str = "bf16"

    def table(self) -> Table:
        """Return the table before anything is tried."""
        return dataclasses.replace(super().table(), pinning=self.pinning, alone=frozenset({self.pinning}))

    def levels(self, parts: PartNames) -> tuple[str, ...]:
        """Return the levels that the layers of a recipe can be put back to."""
        return (F32,) if parts == (self.pinning,) else (FLOAT, F32)


HIDDEN_TRUTHS = {
    "plain": HiddenTruth(),
    "nothing on offer": HiddenTruth(parts={}),
    "one part": HiddenTruth(parts={"plain": 0.0}),
    "one layer": HiddenTruth(layers={"only": 0.05}),
    "no layers": HiddenTruth(layers={}),
    "many layers": HiddenTruth(layers={f"layer{place}": 0.03 / (1 + place) for place in range(60)}),
    "all inside": HiddenTruth(start=0.0),
    "infeasible": HiddenTruth(start=1.0),
    "slower than float": HiddenTruth(layer_cost=1.0),
    "nothing allowed": HiddenTruth(allowed=0.0),
    "all fail": HiddenTruth(failing=True),
    "no gain anywhere": HiddenTruth(layers=dict.fromkeys(("a", "b", "c"), 0.0)),
    "layers that harm": HiddenTruth(layers={"a": -0.01, "b": -0.02, "c": -0.0}),
    "layers cheaper in float": HiddenTruth(layer_costs={"first": -0.04, "tail": -0.02, "head": 0.1}),
    "numbers to choose": HiddenTruth(free=frozenset({"good", "good:size=3"}), opening=("plain", "good:size=3")),
    "numbers that suffice": HiddenTruth(start=0.02, free=frozenset({"good"}), opening=("plain", "good")),
    "float below f32": BelowF32(
        parts={"plain": 0.0, "good": 0.02, "bf16": 0.03}, free=frozenset({"good"}), opening=("good",)
    ),
    "layers that matter together": HiddenTruth(together={("first", "middle"): 0.01, ("head", "side"): -0.006}),
}
"""The tables that every strategy is played against, by what is special about them."""


class StrategyContract(PluginContract):
    """Check a strategy. Give the fixture `strategy`; it is played to its end against each of HIDDEN_TRUTHS.

    Set `most_steps` when it takes more than a thousand.
    """

    most_steps: int = 1000

    @pytest.fixture
    def strategy(self) -> Strategy:
        """Return the strategy."""
        raise NotImplementedError("Override the fixture 'strategy'.")

    @pytest.fixture
    def plugin(self, strategy: Strategy) -> Any:
        """Return the strategy."""
        return strategy

    @pytest.fixture(params=list(HIDDEN_TRUTHS))
    def truth(self, request: pytest.FixtureRequest) -> HiddenTruth:
        """Return each hidden truth in turn."""
        return HIDDEN_TRUTHS[request.param]

    def test_fits_the_protocol(self, strategy: Strategy) -> None:
        assert isinstance(strategy, Strategy)

    def test_proposes_only_what_is_known_and_new(self, strategy: Strategy, truth: HiddenTruth) -> None:
        for table, proposal in truth.play(strategy, self.most_steps):
            if proposal is not None:
                _check_proposal(table, proposal)

    def test_ends_for_good(self, strategy: Strategy, truth: HiddenTruth) -> None:
        table, last = list(truth.play(strategy, self.most_steps))[-1]
        assert last is None
        assert strategy.propose(table) is None

    def test_tries_something_when_there_is_something(self, strategy: Strategy, truth: HiddenTruth) -> None:
        proposals = [proposal for _, proposal in truth.play(strategy, self.most_steps)]
        tried = any(isinstance(proposal, Candidate) for proposal in proposals)
        assert tried == bool(truth.parts), "with parts on offer at least one is tried, without any nothing is"

    def test_same_table_same_proposal(self, strategy: Strategy, truth: HiddenTruth) -> None:
        for table, proposal in truth.play(strategy, self.most_steps):
            fresh, again = copy.deepcopy(strategy), copy.deepcopy(table)
            assert fresh.propose(again) == proposal, "a strategy keeps no state: what it says follows from the table"

    def test_leaves_the_table_alone(self, strategy: Strategy, truth: HiddenTruth) -> None:
        table = truth.table()
        for _ in range(self.most_steps):
            before = copy.deepcopy(table)
            proposal = strategy.propose(table)
            assert table == before, "propose changed the table"
            if proposal is None:
                return
            table = truth.answered(table, proposal)

    def test_figures_of_failed_rows_mean_nothing(self, strategy: Strategy) -> None:
        said = [
            [
                proposal
                for _, proposal in HiddenTruth(failing=True, failed_figure=figure).play(strategy, self.most_steps)
            ]
            for figure in (float("inf"), float("nan"), -1.0)
        ]
        assert said[0] == said[1] == said[2]


def _check_proposal(table: Table, proposal: Proposal) -> None:
    """Fail when a proposal names something unknown or asks for what the table answers already."""
    kinds = (Candidate, Probe, Calibration)
    assert isinstance(proposal, kinds), f"{proposal!r} is no Candidate, no Probe and no Calibration"
    assert proposal.parts, "float is not proposed: it is measured anyway"
    unknown = set(proposal.parts) - set(table.parts)
    assert not unknown, f"{unknown} are not among the parts on offer"
    assert len(set(proposal.parts)) == len(proposal.parts), f"{proposal} names a part twice"
    if isinstance(proposal, Calibration):
        known = table.operations(proposal.parts) in table.calibrations
        assert not known, f"the numbers of {proposal.parts} are chosen already"
        return
    if isinstance(proposal, Probe) and not proposal.pairs:
        assert proposal.parts not in table.layers, f"the layers of {proposal.parts} are measured already"
        return
    if isinstance(proposal, Probe):
        assert proposal.parts not in table.pairs, f"pairs of layers of {proposal.parts} are measured already"
        _check_layers(table, proposal.parts, proposal.pairs)
        return
    assert table.row(proposal) is None, f"{proposal} is measured already"
    if proposal.levels:
        _check_layers(table, proposal.parts, frozenset(name for name, _ in proposal.levels))
        assert len({*dict(proposal.levels)}) == len(proposal.levels), f"{proposal} gives a layer two levels"
        unknown_levels = proposal.levels - {row.choice for row in table.layers[proposal.parts]}
        assert not unknown_levels, f"{set(unknown_levels)} are not levels of layers of that recipe"


def _check_layers(table: Table, parts: PartNames, names: frozenset[str]) -> None:
    assert parts in table.layers, f"the layers of {parts} are not known before a Probe"
    known = {row.name for row in table.layers[parts]}
    assert names <= known, f"{set(names) - known} are not layers of that recipe"
