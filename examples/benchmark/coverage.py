"""How often a returned plan breaks its budget: over thousands of draws from a pool of labelled samples, and in whole runs.

    python examples/benchmark/coverage.py [--draws 10000] [--runs 20] [--out out/coverage]

Plans of the text recogniser are really built, and scored on every sample of the pool. A draw takes
search and holdout samples from the pool, with replacement, and walks the finalists on them with ovquant's own code; what it
returns is judged on the whole pool. Beside it: the same walk by point estimates, and picking the fastest plan that is
inside on the holdout, as a check of many plans on one test set does. Whole runs, on images drawn from a pool of 20,000, end
it. OUT receives outcomes.npz, from which another call goes on, and coverage.json.
This reads ovquant's internals: the walk over the holdout is run without a model behind it.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from cases import ALL
from data import opened
from numpy.typing import NDArray
from scipy.stats import binomtest

import ovquant
from ovquant.api.data import open_splits
from ovquant.api.options import Options
from ovquant.api.prepare import instruments_in, prepare
from ovquant.domain.budget import Budget, Drop
from ovquant.domain.plan import Plan
from ovquant.domain.profile import Profile
from ovquant.domain.trial import Score, Scores, Timing, Trial
from ovquant.measure.evaluate import Evaluation
from ovquant.measure.instruments import Local
from ovquant.measure.paired import Pairing
from ovquant.plugins.metrics import resolve_metrics
from ovquant.plugins.recipes import read_recipe, split_parts
from ovquant.protocols import Candidate, Recipe
from ovquant.search.holdout import Walk
from ovquant.search.judge import Judge
from ovquant.search.standings import Offer, Standings
from ovquant.stats.exact import paired_p_value
from ovquant.stats.intervals import mean_interval
from ovquant.testing import in_float

CASE = ALL["recogniser-2pt"]
POOLED, SEARCHED, HELD_OUT, CONFIDENCE = 4000, 1000, (1000, 4000), 0.95
RUN_SEARCHED, RUN_HELD_OUT, RUN_SECONDS, RUN_BUDGET = 1000, 3000, 20, 0.003
F32 = {"INFERENCE_PRECISION_HINT": "f32"}
OPTIONS = Options(properties=F32)
CERTIFIED, POINTS, PICKED = "certified", "point estimate", "best on the holdout"
STEM = "transformer+mixed+keep-float:types=GroupConvolution"
RECIPES = (
    "transformer",
    "transformer+mixed",
    "transformer+calibration:size=10",
    STEM,
    f"{STEM}+ranges",
    f"{STEM}+bias",
)
SETS = 7
"""Random sets of float layers of each of the last three recipes."""
Outcomes, Floats = NDArray[np.int8], NDArray[np.float64]


@cache
def pool() -> list[ovquant.Sample]:
    """Return rendered words that no other part of the benchmark uses."""
    data = opened(f"ovquant.demo.words:Words:count={POOLED},seed=21")
    return [data[place] for place in range(len(data))]


def plans(bench: Local) -> list[Plan]:
    """Return plans of some recipes, and of random sets of their layers in float."""
    found, generator = [], np.random.default_rng(0)
    for place, text in enumerate(RECIPES):
        recipe = read_recipe(split_parts(text))
        plan = Plan(text, recipe, properties=dict(bench.models.deployment.properties))
        found.append(plan)
        if place >= len(RECIPES) - 3:
            layers = [layer.name for layer in bench.models.quantized(recipe).layers]
            for number in range(SETS):
                chosen = generator.choice(layers, size=int(generator.integers(1, 12)), replace=False)
                found.append(plan.with_levels(in_float(*map(str, chosen))).renamed(f"{text}, set {number}"))
    return found


def measured(out: Path) -> tuple[list[str], Outcomes, Floats, Floats]:
    """Return names, drops of every sample [plans, pool], divergences, and ratios to float of plans that are really built."""
    file = out / "outcomes.npz"
    if not file.exists():
        prepared = prepare(CASE.model(), CASE.metric, OPTIONS)
        calibration = opened(CASE.search)
        splits = open_splits(calibration, OPTIONS, holdout=pool())
        quiet = lambda what, done, total: None  # noqa: E731
        bench = instruments_in(out / "trials", prepared, splits, OPTIONS, Profile(out / "profile.jsonl"), quiet)
        found: dict[str, list[Any]] = {"names": [], "items": [], "divergences": [], "ratios": []}
        for plan in [bench.models.reference_plan, *plans(bench)]:
            found["items"].append(np.array(bench.evaluation(plan, "holdout")[0].items, np.int8))
            found["names"].append(plan.name)
            found["divergences"].append(bench.traits(plan)["divergence"])
            found["ratios"].append(1.0 if plan.is_float else bench.timing(plan).ratio)
            bench.models.discard(plan)
            print(f"\r{len(found['names'])} plans", end="", flush=True)
        print()
        np.savez(file, **{name: np.array(values) for name, values in found.items()})
    with np.load(file) as kept:
        items = kept["items"]
        names = [str(name) for name in kept["names"][1:]]
        return names, items[0] - items[1:], kept["divergences"][1:], kept["ratios"][1:]


@cache
def most_worse(better: int, samples: int, allowed: float, level: float) -> int:
    """Return the most worse samples with which a plan is proven, by bisection; -1 for none."""
    low, high = -1, int(samples * allowed) + better + 1
    while high - low > 1:
        middle = (low + high) // 2
        fits = paired_p_value(middle, better, samples, allowed) <= level
        low, high = (middle, high) if fits else (low, middle)
    return low


@dataclass
class Drawn:
    """What a walk asks of a workbench and its instruments, answered from drawn outcomes."""

    drops: dict[str, Outcomes]
    timings: dict[str, Timing]
    allowed: float

    def __post_init__(self) -> None:
        splits = SimpleNamespace(holdout=SimpleNamespace(fingerprint="drawn", content=b""))
        self.conditions = SimpleNamespace(splits=splits, reference_plan=Plan(), float_plan=Plan())
        self.profile, self.instruments = Profile(), self

    def final_race(self, plans: Sequence[Plan], *_: object) -> list[Timing]:
        """Return the known timings."""
        return [self.timings[plan.name] for plan in plans]

    def score(self, plan: Plan, split: str, budget: Budget, *, level: float | None = None, **_: Any) -> Scores:
        """Return the score of a plan on what was drawn for a split; for a proof, only whether there is one."""
        values = self.drops[split][NAMES.index(plan.name)] if not plan.is_float else np.zeros(1, np.int8)
        drop, count = float(values.mean()), values.size
        low, high = mean_interval(values) if split == "search" else (None, None)
        score = Score(split, 1 - drop, 1.0, drop, drop - self.allowed, count, low, high, "exact")  # type: ignore[arg-type]
        if level is None or plan.is_float:
            return Scores((score,))
        worse, better = int((values > 0).sum()), int((values < 0).sum())
        proven = worse <= most_worse(better, count, self.allowed, level)
        return Scores((replace(score, level=level, p_value=0.0 if proven else 1.0),))

    def rescored(self, trial: Trial, budget: Budget) -> Trial:
        """Return the trial, which was scored on all that was drawn."""
        return trial


NAMES: list[str] = []


def returned(drawn: Drawn, divergences: Floats, confidence: float | None) -> str:
    """Return the name of the plan that ovquant's walk returns."""
    budget = Budget(Drop(drawn.allowed), confidence=confidence)
    baseline = Trial(Plan(), drawn.score(Plan(), "search", budget), None, timing_of(1.0), 100)
    judge = Judge(budget, "latency", baseline, drawn.allowed)
    trials = {
        Candidate((name,)): Trial(
            plan_of(name),
            drawn.score(plan_of(name), "search", budget),
            None,
            drawn.timings[name],
            50,
            divergence,
        )
        for name, divergence in zip(NAMES, divergences, strict=True)
    }
    standings = Standings(judge, Offer(tuple(NAMES)), trials)
    return Walk(drawn, standings, []).fastest().chosen.plan.name  # type: ignore[arg-type]


@cache
def plan_of(name: str) -> Plan:
    """Return a plan that is told apart from others: plans are known by what they build, not by their names."""
    return Plan(name, Recipe(keep_float_names=(name,)))


def timing_of(ratio: float) -> Timing:
    """Return a timing without noise: what is studied is accuracy."""
    return Timing(ratio, ratio, 1.0, 1.0, ratio, ratio, ratio, 100)


def study(drops: Outcomes, divergences: Any, ratios: Any, allowed: float, held: int, draws: int) -> dict[str, Any]:
    """Return, for each way to choose, in what share of draws it broke the budget, proved something, and won what speed."""
    generator = np.random.default_rng(held)
    truth = {"float": 0.0, **dict(zip(NAMES, drops.mean(axis=1), strict=True))}
    speed = {"float": 1.0, **{name: 1 / ratio for name, ratio in zip(NAMES, ratios, strict=True)}}
    timings = {name: timing_of(float(ratio)) for name, ratio in zip(NAMES, ratios, strict=True)}
    chosen: dict[str, list[str]] = {CERTIFIED: [], POINTS: [], PICKED: []}
    for _ in range(draws):
        picks = {
            split: generator.integers(drops.shape[1], size=size)
            for split, size in (("search", SEARCHED), ("holdout", held))
        }
        drawn = Drawn({split: drops[:, pick] for split, pick in picks.items()}, timings, allowed)
        chosen[CERTIFIED].append(returned(drawn, divergences, CONFIDENCE))
        chosen[POINTS].append(returned(drawn, divergences, None))
        inside = [
            name for name, drop in zip(NAMES, drawn.drops["holdout"].mean(axis=1), strict=True) if drop <= allowed
        ]
        chosen[PICKED].append(max(inside, key=lambda name: speed[name], default="float"))
    return {way: summary([truth[name] > allowed for name in names], names, speed) for way, names in chosen.items()}


def summary(broken: Sequence[bool], names: Sequence[str], speed: dict[str, float]) -> dict[str, Any]:
    """Return the share of draws that broke the budget with its 95 % limits, and what was won."""
    interval = binomtest(sum(broken), len(broken)).proportion_ci(0.90)
    quantized = sum(name != "float" for name in names)
    return {
        "draws": len(names),
        "broken": sum(broken) / len(broken),
        "lower 95 % limit": interval.low,
        "upper 95 % limit": interval.high,
        "quantized": quantized / len(names),
        "speed-up": float(np.exp(np.mean([np.log(speed[name]) for name in names]))),
    }


def agree(drops: Outcomes, allowed: float, held: int) -> None:
    """Stop where the shortcut of `most_worse` does not decide as the comparison of a run does."""
    generator = np.random.default_rng(1)
    for _ in range(8):
        values = drops[generator.integers(len(drops)), generator.integers(drops.shape[1], size=held)]
        truth = (values >= 0).astype(float)
        mine, theirs = (Evaluation(float(items.mean()), held, tuple(items)) for items in (truth - values, truth))
        holds = (
            Pairing(resolve_metrics("accuracy"), level=0.025)
            .scores([mine], [theirs], "holdout", Budget(Drop(allowed)))
            .holds
        )
        worse, better = int((values > 0).sum()), int((values < 0).sum())
        assert holds == (worse <= most_worse(better, held, allowed, 0.025)), (worse, better)


def whole_runs(runs: int) -> list[dict[str, Any]]:
    """Return what whole runs with a confidence returned, on images drawn from a pool, and the drop over that pool."""
    case = ALL["fashion-plain"]
    parts = [opened(case.search.replace("count=2000", "count=10000")), opened(case.fresh)]
    samples = [data[place] for data in parts for place in range(len(data))]
    how: dict[str, Any] = {"metric": case.metric, "max_drop": RUN_BUDGET, "confidence": CONFIDENCE}
    how |= {"time_budget": RUN_SECONDS, "properties": F32}
    served = {"data": samples, "metric": case.metric, "properties": F32}
    float_score = ovquant.evaluate(case.model(), **served).evaluation.score
    found = list[dict[str, Any]]()
    for number in range(runs):
        order = np.random.default_rng(number).permutation(len(samples))[: RUN_SEARCHED + RUN_HELD_OUT]
        search, held = ([samples[pick] for pick in part] for part in np.split(order, [RUN_SEARCHED]))
        result = ovquant.quantize(case.model(), data=search, holdout=held, seed=number, **how)
        score = ovquant.evaluate(str(result.folder / "model.xml"), **served).evaluation.score
        row = {"verdict": result.verdict, "plan": result.plan.name, "pool drop": float_score - score}
        row |= {"broken": not result.plan.is_float and float_score - score > RUN_BUDGET}
        row |= {"certified": bool(result.trial.holdout and result.trial.holdout.certified)}
        row |= {"speed-up": result.trial.timing.speedup if result.trial.timing else 1.0}
        found.append(row)
        print(f"run {number}: {row}", flush=True)
    return found


def main() -> None:
    """Measure the pool, study the draws, make the whole runs, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=20, help="whole runs, a minute or two each")
    parser.add_argument("--out", type=Path, default=Path("out/coverage"))
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    names, drops, divergences, ratios = measured(asked.out)
    faster, means = ratios < 1, drops.mean(axis=1)
    shown = np.sort(means[faster]).round(4).tolist()
    print(f"{faster.sum()} plans faster than float, drops over the pool of {drops.shape[1]:,}: {shown}")
    # In the worst case no plan is inside, the best of them being outside by one sample.
    worst = float(np.quantile(means[faster], 0.25, method="lower")) - 1 / drops.shape[1]
    cases = {"typical": (float(np.median(means[faster])), faster), "worst": (worst, faster & (means > worst))}
    report: dict[str, Any] = {"plans": dict(zip(names, means.tolist(), strict=True)), "draws": []}
    print(
        f"{'case':8}{'budget':>9}{'held out':>9}  {'chosen by':20}{'broken':>8}{'(95 % limits)':>18}{'quantized':>11}{'speed-up':>10}"
    )
    for case, (allowed, kept) in cases.items():
        NAMES[:] = [name for name, wanted in zip(names, kept, strict=True) if wanted]
        for held in HELD_OUT:
            agree(drops[kept], allowed, held)
            begin = time.monotonic()
            for way, row in study(drops[kept], divergences[kept], ratios[kept], allowed, held, asked.draws).items():
                report["draws"].append({"case": case, "budget": allowed, "held out": held, "way": way, **row})
                limits = f"({row['lower 95 % limit']:.4f} to {row['upper 95 % limit']:.4f})"
                print(
                    f"{case:8}{allowed:9.4f}{held:9,}  {way:20}{row['broken']:8.4f}{limits:>18}{row['quantized']:11.3f}{row['speed-up']:10.2f}",
                    flush=True,
                )
            report["draws"][-1]["seconds"] = time.monotonic() - begin
            (asked.out / "coverage.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    report["runs"] = whole_runs(asked.runs)
    (asked.out / "coverage.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(f"{sum(row['broken'] for row in report['runs'])} of {asked.runs} whole runs broke their budget.")


if __name__ == "__main__":
    main()
