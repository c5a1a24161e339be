"""Compiled models to timings: heats in which all are compiled anew, and what several of them say together."""

from collections.abc import Sequence

from ovquant import runtime
from ovquant.runtime import Fitted, Maker
from ovquant.trials import Timing


def race(
    makers: Sequence[Maker], requests: Fitted, *, objective: str, seconds: float, most: int, seed: int
) -> list[Timing]:
    """Time contenders in one heat and return one timing each, relative to the first.

    makers: each compiles a contender. requests: returns the inputs of whole requests for the first of them. objective:
    "throughput" keeps all requests busy. seconds and most: when the heat ends, the latter in rounds.
    """
    throughput, load = objective == "throughput", runtime.Load()
    times = runtime.heat(makers, requests, seconds=seconds, most=most, seed=seed, throughput=throughput)
    others, base = load.others(), times[:, 0]
    columns = [base, *(times[:, place] for place in range(1, len(makers)))]
    return [Timing.of(column, base, others=others) for column in columns]


def race_heats(
    makers: Sequence[Maker], requests: Fitted, *, objective: str, seconds: float, heats: int, most: int, seed: int
) -> list[Timing]:
    """Time contenders over so many heats, which share the time, and return one timing each, relative to the first."""
    found = [
        race(makers, requests, objective=objective, seconds=seconds / heats, most=most, seed=seed + number)
        for number in range(heats)
    ]
    return [Timing.joined(column) for column in zip(*found, strict=True)]
