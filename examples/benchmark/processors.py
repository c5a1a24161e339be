"""What budgets cost that must hold with and without VNNI, and what is lost where nobody asks.

    python examples/benchmark/processors.py [--case NAME]... [--out DIR]

For each case: NNCF's default on the graph as read, what `--processors this` returns and what `--processors any` returns, each with its
drop on the holdout as this processor answers and as the other kind would, which is simulated; and how long the last takes beside the
second. The result is printed, and kept as OUT/processors.json.
"""

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from cases import ALL, Case

import ovquant

F32 = {"INFERENCE_PRECISION_HINT": "f32"}
ANY_DROP = "80pt"
"""A budget that NNCF's default holds in any case, so that it is returned and scored."""


def found(case: Case, folder: Path, max_drop: str, **options: Any) -> ovquant.Result:
    """Return what a search finds for a case."""
    given = {"data": case.search, "holdout": case.holdout, "metric": case.metric, "output": folder}
    return ovquant.quantize(case.model(), **given, max_drop=max_drop, properties=F32, force=True, **options)


def drops(result: ovquant.Result) -> dict[str, Any]:
    """Return a plan and its drop under both kinds of arithmetic; float has the same under both."""
    trial, holdout = result.trial, result.trial.holdout
    there = trial.elsewhere or next((score for score in holdout.all if score.arithmetic), holdout.main)
    other = there if trial.elsewhere is None else there.main
    return {
        "plan": result.plan.full_title,
        "verdict": result.verdict,
        "here": holdout.main.drop,
        "there": other.drop,
        "allowed": holdout.main.allowed,
        "speedup": trial.timing.speedup,
        "seconds": result.provenance.seconds,
    }


def measured(case: Case, out: Path) -> dict[str, Any]:
    """Return the three contenders of a case, and how long one kind takes beside the other."""
    folder = out / case.name
    shutil.rmtree(folder, ignore_errors=True)
    plain = found(case, folder / "nncf", ANY_DROP, recipes=["as-read"], strategy="first", optimize="size")
    here = found(case, folder / "this", case.max_drop)
    both = found(case, folder / "any", case.max_drop, processors="any")
    models = [folder / kind / "model.xml" for kind in ("this", "any")]
    timing = ovquant.benchmark(models, data=case.search, seconds=20, properties=F32)[1].timing
    values = {name: drops(result) for name, result in (("nncf", plain), ("this", here), ("any", both))}
    return {**values, "ratio": [timing.ratio, timing.ratio_low, timing.ratio_high]}


def told(name: str, values: dict[str, Any]) -> str:
    """Return the lines of a case."""
    lines = [
        f"{name}: any takes {values['ratio'][0]:.3f} ({values['ratio'][1]:.3f} to {values['ratio'][2]:.3f}) of this"
    ]
    for kind in ("nncf", "this", "any"):
        one = values[kind]
        allowed = "" if kind == "nncf" else f" of {one['allowed']:.4f}"
        lines.append(
            f"  {kind:5} {one['verdict']:7} drop {one['here']:.4f} here, {one['there']:.4f} there{allowed}: {one['plan']}"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure the cases that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", choices=list(ALL), help="measure this case alone; may be repeated")
    parser.add_argument("--out", type=Path, default=Path("out/processors"), help="the folder of the results")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    results = {}
    for name in asked.case or ALL:
        results[name] = measured(ALL[name], asked.out)
        print(told(name, results[name]), flush=True)
        (asked.out / "processors.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
