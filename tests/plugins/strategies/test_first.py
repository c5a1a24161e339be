"""The strategy that stops at the first plan inside."""

from ovquant.domain.table import Candidate
from ovquant.plugins.strategies.first import First
from ovquant.testing import HiddenTruth


def said(truth: HiddenTruth) -> list[object]:
    return [proposal for _, proposal in truth.play(First())]


def test_stops_at_the_first_inside() -> None:
    truth = HiddenTruth(parts={"a": 0.0, "b": 0.05, "c": 0.05})
    assert said(truth) == [Candidate(("a",)), Candidate(("b",)), None]


def test_inside_but_slower_is_not_enough() -> None:
    truth = HiddenTruth(parts={"a": 0.05, "b": 0.05})
    table = truth.answered(truth.table(), Candidate(("a",)))
    slower = table.trials[0].__class__(Candidate(("a",)), -0.01, 1.1, 1.2, 0.0)
    assert First().propose(table.__class__(table.parts, table.allowed, (slower,))) == Candidate(("b",))


def test_tries_every_part_when_none_is_inside() -> None:
    truth = HiddenTruth(parts={"a": 0.0, "b": 0.0}, start=1.0)
    assert said(truth) == [Candidate(("a",)), Candidate(("b",)), None]
