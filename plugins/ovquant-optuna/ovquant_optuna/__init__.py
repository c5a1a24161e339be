"""Search strategies for ovquant that are built on Optuna."""

from ovquant_optuna.evolutionary import Evolutionary

__all__ = ["Evolutionary"]
