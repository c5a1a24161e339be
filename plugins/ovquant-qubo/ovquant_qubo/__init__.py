"""A search strategy for ovquant that sees pairs of layers: a QUBO, solved by simulated annealing."""

from ovquant_qubo.qubo import Qubo

__all__ = ["Qubo"]
