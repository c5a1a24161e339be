"""Run the public contract suite on every built-in strategy."""

import pytest

from ovquant.plugins.protocols import Strategy
from ovquant.plugins.strategies.first import First
from ovquant.plugins.strategies.layers import Bisection, IntegerProgram
from ovquant.testing import StrategyContract

STRATEGIES = {
    "first": First(),
    "bisection": Bisection(),
    "bisection:recipes=1,bases=1,margin=0,steps=0": Bisection(recipes=1, bases=1, margin=0.0, steps=0),
    "integer-program": IntegerProgram(),
    "integer-program:bases=3,steps=20": IntegerProgram(bases=3, steps=20),
}


@pytest.mark.parametrize("name", STRATEGIES)
class TestBuiltIn(StrategyContract):
    """Every built-in strategy."""

    @pytest.fixture
    def strategy(self, name: str) -> Strategy:
        return STRATEGIES[name]
