"""Try every set of float layers of the default recipe on a small model, and see how near each strategy comes.

    python examples/benchmark/exhaustive.py [--case crepe-tiny] [--f32] [--out out/exhaustive]

A model with n layers has 2^n sets. Each is timed once beside float; the best dozen and what the strategies found are then
timed in one interleaved run, whose first half names the fastest and whose second half tells the ratios to it. OUT receives profile.jsonl, from which a stopped run goes on, and exhaustive.json.
This reads ovquant's internals: the workbench that searches measure with.
"""

import argparse
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from cases import ALL, Case
from data import opened

import ovquant
from ovquant import runtime
from ovquant.api.data import open_splits
from ovquant.api.options import QuantizeOptions, read_options
from ovquant.api.prepare import instruments_in, prepare
from ovquant.domain.profile import Profile
from ovquant.measure.instruments import Local
from ovquant.measure.workbench import Workbench
from ovquant.plugins.registry import Registry
from ovquant.stats.intervals import ratio_of_medians
from ovquant.testing import in_float

MOST_LAYERS, BEST, SHOWN = 8, 12, 5
RACE_ROUNDS = 2000
F32 = {"INFERENCE_PRECISION_HINT": "f32"}
RECIPE = ovquant.Recipe()


@dataclass(frozen=True)
class Setting:
    """A case, with what all searches of it share."""

    case: Case
    f32: bool
    limit: int | None
    seconds: float

    def data(self) -> dict[str, Any]:
        """Return the data as `quantize` takes them."""
        return {"data": opened(self.case.search, self.limit), "holdout": opened(self.case.holdout, self.limit)}

    @cached_property
    def model(self) -> Any:
        """Make the model once: operations that were given no name get another one each time."""
        return self.case.model()

    def options(self) -> dict[str, Any]:
        """Return the options of Options."""
        return {"properties": dict(F32) if self.f32 else None}


def instruments(setting: Setting, out: Path) -> Local:
    """Return what builds and measures in a folder."""
    settings = read_options(setting.options(), QuantizeOptions)
    prepared = prepare(setting.model, setting.case.metric, settings)
    data = setting.data()
    splits = open_splits(data["data"], settings, holdout=data["holdout"])
    profile = Profile(out / "profile.jsonl")
    return instruments_in(out / "trials", prepared, splits, settings, profile, lambda what, done, total: None)


def plans(bench: Local) -> Iterator[ovquant.Plan]:
    """Yield the plan of every set of float layers, fewest first."""
    names = [layer.name for layer in bench.models.quantized(RECIPE).layers]
    if len(names) > MOST_LAYERS:
        raise SystemExit(f"The model has {len(names)} layers, so {2 ** len(names)} sets; {MOST_LAYERS} are the most.")
    whole = ovquant.Plan("default", RECIPE, properties=dict(bench.models.deployment.properties))
    for size in range(len(names) + 1):
        for chosen in itertools.combinations(names, size):
            yield whole.with_levels(in_float(*chosen))


def everything(bench: Local, budget: ovquant.Budget) -> list[ovquant.Trial]:
    """Measure every plan as a search does."""
    Workbench(bench).trial(bench.models.float_plan, budget)
    trials = []
    for number, plan in enumerate(plans(bench), start=1):
        trials.append(Workbench(bench).trial(plan, budget))
        bench.models.discard(trials[-1].plan)
        print(f"\r{number} sets", end="", flush=True)
    print()
    return trials


def strategies(setting: Setting) -> dict[str, ovquant.Result]:
    """Return what every registered strategy finds with the same recipe."""
    how = {"metric": setting.case.metric, "max_drop": setting.case.max_drop, "recipes": ["default"]}
    return {
        name: ovquant.quantize(setting.model, **setting.data(), **how, **setting.options(), strategy=name)
        for name in Registry("strategies").names()
    }


def race(bench: Local, chosen: list[ovquant.Plan], seconds: float) -> np.ndarray:
    """Time plans in turn; milliseconds, shape [rounds, plans]."""
    device, batch = bench.models.deployment.device, bench.models.deployment.batch
    compiled = [
        runtime.compile_model(bench.models.build(plan), runtime.Deployment(device, plan.properties, batch))
        for plan in chosen
    ]
    return bench.stopwatch.times(compiled, seconds=seconds, most=RACE_ROUNDS)


def whole_score(bench: Local, plan: ovquant.Plan, budget: ovquant.Budget) -> float:
    """Return the excess over the budget on all of the search data, none left out early."""
    mine, truth = (bench.scorer.evaluation(item, "search")[0].score for item in (plan, bench.models.reference_plan))
    return budget.main.excess(mine, float_score=truth, higher_is_better=bench.models.metric.higher_is_better)


def fastest(bench: Local, trials: list[ovquant.Trial], budget: ovquant.Budget) -> list[ovquant.Plan]:
    """Return the fastest plans whose score on all of the search data is inside the budget."""
    inside = [trial for trial in trials if trial.timing and trial.search and trial.search.inside]
    order = sorted(inside, key=lambda trial: trial.timing.ratio if trial.timing else 0.0)
    held = (trial.plan for trial in order if whole_score(bench, trial.plan, budget) <= 0)
    return list(itertools.islice(held, BEST))


def main() -> None:
    """Measure all sets, run the strategies, race the best with what these found, and print the comparison."""
    setting, out = arguments()
    bench = instruments(setting, out)
    budget = ovquant.Budget(ovquant.Drop.parse(setting.case.max_drop))
    trials = everything(bench, budget)
    best = fastest(bench, trials, budget)
    results = strategies(setting)
    found = {plan.key: plan for plan in [bench.models.float_plan, *best, *(result.plan for result in results.values())]}
    times = race(bench, list(found.values()), setting.seconds)
    rows = [{"by": f"exhaustive, place {place}", **row(bench, plan, budget)} for place, plan in enumerate(best, 1)]
    rows += [
        {"by": name, "trials": len(result.trials), **row(bench, result.plan, budget)}
        for name, result in results.items()
    ]
    inside = {bench.models.float_plan.key, *(item["key"] for item in rows if item["excess"] <= 0)}
    report(rows, compared(rows, list(found), times, inside), found, len(trials), out)


def compared(rows: list[dict[str, Any]], keys: list[str], times: np.ndarray, inside: set[str]) -> str:
    """Add to each row its time relative to the fastest plan inside the budget, and return the key of that one."""
    half = len(times) // 2
    choosing, telling = (dict(zip(keys, part.T, strict=True)) for part in (times[:half], times[half:]))
    winner = min(inside, key=lambda key: float(np.median(choosing[key])))
    for item in rows:
        ratio, low, high = ratio_of_medians(telling[item["key"]], telling[winner])
        item |= {"ratio": ratio, "low": low, "high": high, "p50_ms": float(np.median(telling[item["key"]]))}
    return winner


def row(bench: Local, plan: ovquant.Plan, budget: ovquant.Budget) -> dict[str, Any]:
    """Return what is known of a plan apart from its time."""
    return {
        "key": plan.key,
        "plan": plan.name,
        "float_layers": sorted(plan.layers),
        "excess": whole_score(bench, plan, budget),
    }


def report(rows: list[dict[str, Any]], winner: str, found: dict[str, ovquant.Plan], sets: int, out: Path) -> None:
    """Print the comparison and write it down."""
    values = {"sets": sets, "winner": found[winner].to_json(), "rows": rows}
    (out / "exhaustive.json").write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    print(f"{sets} sets; the fastest inside the budget: {found[winner].name} {sorted(found[winner].layers)}")
    for item in [item for item in rows if "trials" in item or rows.index(item) < SHOWN]:
        inside = "inside" if item["excess"] <= 0 else "outside"
        of_best = f"{item['ratio']:.3f} ({item['low']:.3f} to {item['high']:.3f}) of the fastest"
        trials = f", {item['trials']} trials" if "trials" in item else ""
        print(f"{item['by']:24} {item['p50_ms']:8.3f} ms, {of_best}, {inside}{trials}: {item['plan']}")


def arguments() -> tuple[Setting, Path]:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", default="crepe-tiny", choices=list(ALL))
    parser.add_argument("--f32", action="store_true", help="serve in f32 instead of at the device's default")
    parser.add_argument("--limit", type=int, help="take so few samples of all data, to check this script")
    parser.add_argument("--seconds", type=float, default=60.0, help="seconds of the last race")
    parser.add_argument("--out", type=Path, default=Path("out/exhaustive"), help="the folder of the results")
    asked = parser.parse_args()
    return Setting(ALL[asked.case], asked.f32, asked.limit, asked.seconds), asked.out


if __name__ == "__main__":
    main()
