"""Recipes that are dismissed before they are calibrated, which takes longest of all."""

from collections.abc import Collection
from dataclasses import replace

from ovquant.domain.objective import GENERATING
from ovquant.domain.plan import Plan
from ovquant.domain.table import HARM, SAVING, Candidate, Table, TrialRow
from ovquant.domain.trial import Timing, Trial
from ovquant.errors import OvquantError
from ovquant.measure.workbench import FAILURES, Workbench
from ovquant.search.standings import Standings

RACE_HEATS = (3, 8)
"""Compilations over which a sketch is timed in turn with the best plan: more where fewer do not tell."""
LITTLE = 0.04
"""The share of float's time that operations must save, taken one by one, for a mixture with float to be worth looking for: what
passes between them takes some of it."""
KEPT = ("keep_float_types", "keep_float_names")
"""What recipes say of what they keep in float."""
QUIET = 0.1
"""The width of an interval up to which a plan that seems one percent too slow is taken to be it."""


def dismissed(plan: Plan, candidate: Candidate, standings: Standings, bench: Workbench) -> Trial | None:
    """Return the trial of a recipe that need not be calibrated, with the reason and what is known of it; None for all others.

    One that stores weights and saves next to nothing by that is not timed.

    What another comes to and how fast that is shows in a sketch of it, with next to no calibration, and about how near its outputs come to
    float's before biases are corrected. Each is compared with the recipes that were tried. Those of the same operations as one
    of them are not looked at: they differ in numbers, which are chosen otherwise.
    """
    table = standings.table()
    tried = {known: trial for known, trial in standings.trials.items() if _is_recipe(known, trial)}
    operations = table.operations(candidate.parts)
    stored = _is_recipe(candidate, Trial(plan), "weights")
    if not stored and (
        not _is_recipe(candidate, Trial(plan)) or any(table.operations(known.parts) == operations for known in tried)
    ):
        return None
    try:
        if stored:
            return _no_other(plan, standings, bench)
        if (same := _same(plan, tried, bench)) is not None or standings.judge.minimises_drop:
            return same
        return _no_faster(plan, candidate, tried, standings, bench) or _further(
            plan, candidate, tried, standings, bench
        )
    except FAILURES:
        # The whole trial says what is wrong with it, or moves to f32.
        return None
    except (OvquantError, OSError):
        raise
    except Exception:
        # So it does of what nobody foresaw.
        return None
    finally:
        known = {plan.key, *(trial.plan.key for trial in standings.trials.values())}
        bench.instruments.let_go([made for made in (_sketch(plan), _bare(plan)) if made.key not in known])


def _is_recipe(candidate: Candidate, trial: Trial, algorithm: str = "post-training") -> bool:
    recipe = trial.plan.recipe
    return recipe is not None and recipe.algorithm == algorithm and not candidate.levels


def _sketch(plan: Plan) -> Plan:
    assert plan.recipe is not None
    return replace(plan, recipe=plan.recipe.sketch)


def _bare(plan: Plan) -> Plan:
    assert plan.recipe is not None
    return replace(plan, recipe=plan.recipe.uncorrected)


def unmixable(trial: Trial, standings: Standings, bench: Workbench) -> str:
    """Say that no mixture of a plan that is slower than float with float saves enough to look for it; nothing where one may."""
    slow = trial.timing is not None and trial.timing.ratio_low >= 1 and trial.plan.runs_int8
    if not slow or not _only_speed(standings):
        return ""
    saved = _saving(trial.plan, bench)
    return (
        f"operation by operation the faster of it and float saves {saved:.1%} of float's time" if saved < LITTLE else ""
    )


def _no_other(plan: Plan, standings: Standings, bench: Workbench) -> Trial | None:
    """Dismiss a recipe that stores weights where what it runs otherwise than float saves next to nothing."""
    if not _only_speed(standings) or (saved := _saving(plan, bench)) >= SAVING:
        return None
    return Trial(plan, problem=f"not timed: what it runs otherwise than float saves {saved:.1%} of float's time")


def _only_speed(standings: Standings) -> bool:
    """Tell whether a plan must be faster than float to be of use, and single inferences are what is timed."""
    judge = standings.judge
    small = judge.budget.max_size_bytes is not None or judge.budget.max_memory_bytes is not None
    return judge.by_speed and not small and judge.objective not in GENERATING


def _saving(plan: Plan, bench: Workbench) -> float:
    return float(bench.instruments.traits(plan, beside=bench.bar or bench.conditions.float_plan)["saving"])


def _same(plan: Plan, tried: dict[Candidate, Trial], bench: Workbench) -> Trial | None:
    """Dismiss a recipe that comes to the same model as one that was tried, though it keeps other types in float."""
    assert plan.recipe is not None
    for trial in tried.values():
        if not _differs_in_kept(plan, trial.plan) or trial.timing is None:
            continue
        if bench.instruments.traits(_sketch(plan))["layers"] == trial.layers:
            problem = f"not calibrated: it comes to the same as {trial.plan.full_title}"
            return Trial(plan, timing=trial.timing, problem=problem)
    return None


def _differs_in_kept(plan: Plan, other: Plan) -> bool:
    """Tell whether two recipes differ in what they keep in float alone."""
    assert plan.recipe is not None
    kept = {name: getattr(other.recipe, name) for name in KEPT}
    return replace(plan.recipe, **kept) == other.recipe


def _is_mixture(plan: Plan, trial: Trial) -> bool:
    """Tell whether a recipe is one that was tried and scored, with more of it kept in float."""
    more = all({*getattr(trial.plan.recipe, name)} <= {*getattr(plan.recipe, name)} for name in KEPT)
    return more and trial.search is not None and _differs_in_kept(plan, trial.plan)


def _no_faster(
    plan: Plan, candidate: Candidate, tried: dict[Candidate, Trial], standings: Standings, bench: Workbench
) -> Trial | None:
    """Dismiss a recipe where one that was tried is as fast and good enough, or else where float is as fast or no mixture is faster.

    What layers save that are put back to float shows beside the first recipe too, so that one is always calibrated.
    """
    reasons = (unmixable(trial, standings, bench) for trial in tried.values() if _is_mixture(plan, trial))
    if reason := next(filter(None, reasons), ""):
        return Trial(plan, problem=f"not calibrated: {reason}")
    table = standings.table()
    good = [row for row in table.trials if not row.candidate.levels and _good_enough(row, candidate, table)]
    if not standings.judge.by_speed or not (good or _usable(tried, table)):
        return None
    rival, least, whose = None, 1 - SAVING, "float's time"
    if any(row.cost < 1 for row in good):
        best = min(good, key=lambda row: (row.cost, row.candidate.parts))
        rival = standings.trials[best.candidate].plan
        # A recipe with a part less shares what takes long, so the last race is left to decide where it looks no slower.
        least = 1.0 if {*best.candidate.parts} > {*candidate.parts} else least
        whose = f"the time of {rival.full_title}, which is inside the budget"
    timing = _in_turn(_sketch(plan), rival or bench.bar, bench, least)
    if timing.ratio < least:
        return None
    problem = f"not calibrated: it takes {timing.ratio:.3f} of {whose}"
    return Trial(plan, timing=None if rival else timing, problem=problem)


def _further(
    plan: Plan, candidate: Candidate, tried: dict[Candidate, Trial], standings: Standings, bench: Workbench
) -> Trial | None:
    """Dismiss a recipe whose outputs are clearly further from float's than those of its like, while none is safely inside."""
    table = standings.table()
    rows = _usable(tried, table)
    if not rows or any(table.comfortable(row) for row in rows.values()):
        return None
    like = min(rows, key=lambda known: (len({*known.parts} ^ {*candidate.parts}), rows[known].divergence))
    distance = bench.divergence(_bare(plan))
    if distance <= HARM * bench.divergence(_bare(tried[like].plan)):
        return None
    problem = f"not calibrated: its outputs are further from float's than those of {tried[like].plan.full_title}"
    return Trial(plan, divergence=distance, problem=problem)


def _usable(tried: Collection[Candidate], table: Table) -> dict[Candidate, TrialRow]:
    return {row.candidate: row for row in table.trials if row.candidate in tried and not row.failed}


def _in_turn(plan: Plan, rival: Plan | None, bench: Workbench, least: float) -> Timing:
    """Time a plan beside another, or float, for longer where it is open whether it takes less than `least` of its time.

    Where little else goes on, what seems to take more might win by no more than the noise.
    """
    for heats in RACE_HEATS:
        timing = bench.instruments.timing(plan, heats=heats, beside=rival)
        slower = timing.ratio > least + SAVING and timing.ratio_high - timing.ratio_low < QUIET
        if slower or not timing.ratio_low < least < timing.ratio_high:
            break
    return timing


def _good_enough(row: TrialRow, candidate: Candidate, table: Table) -> bool:
    """Tell whether a row is inside the budget and safe enough; with a part less a recipe is no safer."""
    return table.comfortable(row) or (row.inside and {*row.candidate.parts} > {*candidate.parts})
