"""Trainers: ways in which the numbers of a plan learn to answer as the float model does."""

from ovquant.plugins.trainers.by_block import ByBlock
from ovquant.plugins.trainers.end_to_end import EndToEnd

__all__ = ["ByBlock", "EndToEnd"]
