"""What a search returns beside float as the device serves it and float in f32, once per seed, judged on fresh data.

    python examples/benchmark/floats.py [--case NAME]... [--seed N]... [--confidence 0.95] [--time-budget 2m] [--out DIR]

A seed draws the search data and the holdout of cases that make theirs, and is the search's own. The three models are scored on the
fresh data of the case and timed in turn, compiled anew in each of four heats. The result is printed, and kept as OUT/floats.json.
"""

import argparse
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from cases import ALL, Case
from data import opened

import ovquant
from ovquant import runtime
from ovquant.plugins.loaders import load_model
from ovquant.stats.intervals import mean_interval, ratio_of_medians

F32 = {"INFERENCE_PRECISION_HINT": "f32"}
HEATS, REQUESTS = 4, 16


def drawn(text: str, seed: int) -> str:
    """Return the text of a dataset with another seed, where it has one: that of the case and `seed` hundreds more."""
    return re.sub(r"seed=(\d+)", lambda found: f"seed={int(found[1]) + 100 * seed}", text)


def searched(case: Case, seed: int, folder: Path, **how: Any) -> ovquant.Result:
    """Search over a case with data and choices of a seed."""
    return ovquant.quantize(
        case.model(),
        data=drawn(case.search, seed),
        holdout=drawn(case.holdout, seed),
        metric=case.metric,
        max_drop=case.max_drop,
        seed=seed,
        output=folder,
        force=True,
        **how,
    )


def judged(case: Case, result: ovquant.Result, seconds: float) -> dict[str, Any]:
    """Return drop and speed-ups on fresh data; the drop is from float in f32."""
    source, found, fresh = case.model(), result.folder / "model.xml", opened(case.fresh)
    served = {"plan": (found, dict(result.plan.properties)), "default": (source, {}), "f32": (source, F32)}
    scores = {
        name: np.array(
            ovquant.evaluate(path, data=fresh, metric=case.metric, properties=properties).evaluation.items, np.float64
        )
        for name, (path, properties) in served.items()
    }
    heats = [heat(served, fresh, number, seconds / HEATS) for number in range(HEATS)]
    times = np.concatenate(heats)
    values: dict[str, Any] = {
        "samples": len(fresh),
        "allowed": ovquant.Drop.parse(case.max_drop).allowed(scores["f32"].mean()),
    }
    for name in ("plan", "default"):
        low, high = mean_interval(scores["f32"] - scores[name])
        values[f"drop of {name}"] = [float(scores["f32"].mean() - scores[name].mean()), low, high]
    for place, name in ((1, "default"), (2, "f32")):
        by_heat = [float(np.median(heat[:, place]) / np.median(heat[:, 0])) for heat in heats]
        values[f"speed-up over {name}"] = [*ratio_of_medians(times[:, place], times[:, 0]), by_heat]
    return values


def heat(served: dict[str, tuple[Any, dict[str, str]]], fresh: Any, number: int, seconds: float) -> np.ndarray:
    """Compile all anew, in another order in each heat, and time them in turn; milliseconds, [rounds, models]."""
    names = list(served)
    order = [names[(place + number) % len(names)] for place in range(len(names))]
    deployments = {
        name: runtime.Deployment("CPU", {"PERFORMANCE_HINT": "LATENCY", **served[name][1]}) for name in order
    }
    compiled = [runtime.compile_model(load_model(served[name][0]), deployments[name]) for name in order]
    times = runtime.interleave(compiled, runtime.requests_of(compiled[0], fresh, REQUESTS), seconds=seconds)
    return times[:, [order.index(name) for name in names]]


def told(name: str, values: dict[str, Any]) -> str:
    """Return the lines of a run."""

    def speedup(kind: str) -> str:
        ratio, low, high, by_heat = values[f"speed-up over {kind}"]
        return f"{ratio:.3f} ({low:.3f} to {high:.3f}; by heat {min(by_heat):.3f} to {max(by_heat):.3f})"

    def drop(kind: str) -> str:
        return "{:.4f} ({:.4f} to {:.4f})".format(*values[f"drop of {kind}"])

    return "\n".join(
        [
            f"{name}, seed {values['seed']}: {values['verdict']}, {values['plan']}; searched in {values['seconds']:.0f} s",
            f"  drop {drop('plan')} of {values['allowed']:.4f} on {values['samples']} fresh samples; float as served {drop('default')}",
            f"  speed-up over float as served {speedup('default')}",
            f"  speed-up over float in f32    {speedup('f32')}",
        ]
    )


def main() -> None:
    """Run the cases and seeds that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", choices=list(ALL), help="run this case; may be repeated")
    parser.add_argument("--seed", action="append", type=int, help="search with this seed; may be repeated")
    parser.add_argument("--confidence", type=float, help="how sure the budget must be held on the holdout")
    parser.add_argument("--time-budget", help="the search's time budget; without one it ends by itself")
    parser.add_argument("--seconds", type=float, default=30.0, help="seconds of the timing")
    parser.add_argument("--out", type=Path, default=Path("out/floats"), help="the folder of the results")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    file = asked.out / "floats.json"
    runs: list[dict[str, Any]] = []
    for name in asked.case or ["recogniser-1pt"]:
        for seed in asked.seed or [0, 1, 2]:
            case, folder = ALL[name], asked.out / f"{name}-{seed}"
            result = searched(case, seed, folder, confidence=asked.confidence, time_budget=asked.time_budget)
            known = {"case": name, "seed": seed, "verdict": result.verdict, "plan": result.plan.full_title}
            known |= {"seconds": result.provenance.seconds, "notes": list(result.notes)}
            runs.append({**known, **judged(case, result, asked.seconds)})
            print(told(name, runs[-1]), flush=True)
            file.write_text(json.dumps(runs, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
