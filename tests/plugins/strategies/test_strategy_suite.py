"""Check that the public suite of strategies catches strategies that break the contract."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from ovquant.domain.table import Candidate, Probe, Proposal, Table
from ovquant.plugins.strategies.first import First
from ovquant.testing import HIDDEN_TRUTHS, HiddenTruth, StrategyContract, in_float


class Suite(StrategyContract):
    """The suite with a short patience."""

    most_steps = 20


SUITE = Suite()
TRUTH = HIDDEN_TRUTHS["plain"]


@dataclass(frozen=True)
class Saying:
    """Say the same to every table."""

    proposal: Proposal | None

    def propose(self, table: Table) -> Proposal | None:
        return self.proposal


@dataclass(frozen=True)
class Then:
    """Try a part, have its layers ranked, then say something."""

    proposal: Candidate

    def propose(self, table: Table) -> Proposal | None:
        if not table.trials:
            return Candidate(table.parts[:1])
        if not table.layers:
            return Probe(table.parts[:1])
        return None if table.row(self.proposal) else self.proposal


@dataclass(frozen=True)
class Counting:
    """Count its own calls."""

    calls: list[Table] = field(default_factory=list)

    def propose(self, table: Table) -> Proposal | None:
        self.calls.append(table)
        return Candidate(table.parts[: len(self.calls)]) if len(self.calls) < 3 else None


class Writing(First):
    """Write into the table."""

    def propose(self, table: Table) -> Proposal | None:
        assert isinstance(table.layers, dict)
        table.layers[()] = ()
        return super().propose(table)


class Trusting(First):
    """Read the figures of failed rows."""

    def propose(self, table: Table) -> Proposal | None:
        return None if any(row.excess <= 0 for row in table.trials) else super().propose(table)


def proposals(strategy: Any) -> None:
    SUITE.test_proposes_only_what_is_known_and_new(strategy, TRUTH)


BREACHES: list[tuple[Any, Callable[[Any], None]]] = [
    (Saying(Candidate(("unknown",))), proposals),
    (Saying(Candidate(())), proposals),
    (Saying(Candidate(("good", "good"))), proposals),
    (Saying(Candidate(("good",))), proposals),
    (Saying(Candidate(("good",), in_float("good/first"))), proposals),
    (Saying(Probe(("good",))), proposals),
    (Saying("good"), proposals),
    (Then(Candidate(("plain",), in_float("good/first"))), proposals),
    (Then(Candidate(("good",), in_float("good/first"))), proposals),
    (Saying(None), lambda strategy: SUITE.test_tries_something_when_there_is_something(strategy, TRUTH)),
    (Counting(), lambda strategy: SUITE.test_same_table_same_proposal(strategy, TRUTH)),
    (Writing(), lambda strategy: SUITE.test_leaves_the_table_alone(strategy, TRUTH)),
    (Trusting(), lambda strategy: SUITE.test_figures_of_failed_rows_mean_nothing(strategy)),
    (object(), lambda strategy: SUITE.test_fits_the_protocol(strategy)),
]


@pytest.mark.parametrize(("strategy", "check"), BREACHES)
def test_a_breach_is_caught(strategy: Any, check: Callable[[Any], None]) -> None:
    with pytest.raises(AssertionError):
        check(strategy)


@pytest.mark.parametrize("check", [check for _, check in BREACHES])
def test_a_sound_strategy_passes(check: Callable[[Any], None]) -> None:
    check(Then(Candidate(("plain",), in_float("plain/first"))) if check is proposals else First())


def test_an_endless_strategy_is_caught() -> None:
    with pytest.raises(pytest.fail.Exception, match="did not end within 20 steps"):
        SUITE.test_ends_for_good(Saying(Candidate(("good",))), TRUTH)


def test_a_hidden_truth_adds_up() -> None:
    truth = HiddenTruth(parts={"a": 0.01}, layers={"x": 0.02}, start=0.05, allowed=0.01)
    row = truth.row(Candidate(("a",), in_float("a/x")))
    assert row.excess == pytest.approx(0.05 - 0.01 - 0.02 - 0.01)
    assert row.cost < row.cost_high < 1
