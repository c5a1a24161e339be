"""Run the public contract suite on every built-in strategy."""

import pytest

from ovquant.protocols import Strategy
from ovquant.strategies.coarse_to_fine import CoarseToFine
from ovquant.strategies.first import First
from ovquant.testing import StrategyContract

STRATEGIES = {
    "first": First(),
    "coarse-to-fine": CoarseToFine(),
    "coarse-to-fine:joins=1,sweeps=1,bases=1,margin=0": CoarseToFine(joins=1, sweeps=1, bases=1, margin=0.0),
}


@pytest.mark.parametrize("name", STRATEGIES)
class TestBuiltIn(StrategyContract):
    """Every built-in strategy."""

    @pytest.fixture
    def strategy(self, name: str) -> Strategy:
        return STRATEGIES[name]
