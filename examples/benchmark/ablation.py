"""What each part of a search is worth: searches with one part switched off, beside the whole.

    python examples/benchmark/ablation.py [--case NAME]... [--only PART]... [--seconds 30] [--out DIR]

The parts are: the normal form of the graph; numbers by divergence, without which there is no opening and ranges, biases and bits are tried
one by one by their scores; layers; and, where the device computes float in less than f32 by default, levels beyond float and int8.
Each search tells what it returns, its drop on the holdout and the seconds it took. At the end of a case all that was returned is timed
in turn. This switches ovquant's internals, and so measures in one process.
"""

import argparse
import json
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from cases import ALL, Case

import ovquant
from ovquant import runtime
from ovquant.domain.layer import FLOAT
from ovquant.errors import ModelError
from ovquant.plugins.strategies.coarse import next_recipe
from ovquant.plugins.strategies.layers import IntegerProgram
from ovquant.search.loop import Search

WHOLE = "whole"


def without_normal_form() -> AbstractContextManager[Any]:
    """Have every model quantized as it was read."""
    return patch("ovquant.api.prepare.normalised", side_effect=ModelError("it is not to be normalised"))


def without_divergence() -> AbstractContextManager[Any]:
    """Have no opening, and no parts that change numbers alone."""
    return offering(free=frozenset(), opening=())


def without_layers() -> AbstractContextManager[Any]:
    """Have recipes tried alone."""
    return patch.object(IntegerProgram, "propose", lambda self, table: next_recipe(table, most=self.recipes))


@contextmanager
def without_levels() -> Iterator[None]:
    """Have layers in float or int8, and no float beside f32."""
    with offering(pinning=""), patch.object(Search, "_levels", lambda *_: (FLOAT,)):
        yield


def offering(**changes: Any) -> AbstractContextManager[Any]:
    """Change what a search offers its strategy."""
    explore = Search.explore

    def changed(search: Search) -> Any:
        search.offer = replace(search.offer, **changes)
        return explore(search)

    return patch.object(Search, "explore", changed)


PARTS = {
    WHOLE: nullcontext,
    "normal form": without_normal_form,
    "divergence": without_divergence,
    "layers": without_layers,
    "levels": without_levels,
}


def found(case: Case, output: Path) -> dict[str, Any]:
    """Search, and return what came of it."""
    given = {"data": case.search, "holdout": case.holdout, "metric": case.metric, "max_drop": case.max_drop}
    result = ovquant.quantize(case.model(), **given, output=output, force=True)
    score = result.trial.holdout.main
    known = {"verdict": result.verdict, "plan": result.plan.full_title, "drop": score.drop, "allowed": score.allowed}
    return {**known, "seconds": result.provenance.seconds, "trials": len(result.trials)}


def measured(case: Case, parts: list[str], out: Path, seconds: float) -> dict[str, Any]:
    """Search with each part switched off, then time all that was returned in turn."""
    values = {}
    for part in parts:
        with PARTS[part]():
            values[part] = found(case, out / case.name / part)
    models = [out / case.name / part / "model.xml" for part in parts]
    timed = ovquant.benchmark(models, data=case.search, seconds=seconds)
    for part, one in zip(parts, timed, strict=True):
        values[part]["ratio"] = [one.timing.ratio, one.timing.ratio_low, one.timing.ratio_high]
    return values


def told(name: str, values: dict[str, Any]) -> str:
    """Return the lines of a case."""
    lines = [name]
    for part, one in values.items():
        ratio, low, high = one["ratio"]
        who = part if part == WHOLE else f"without {part}"
        lines.append(
            f"  {who:20} {ratio:.3f} ({low:.3f} to {high:.3f}) of the whole's time, drop {one['drop']:.4f} of "
            f"{one['allowed']:.4f}, {one['seconds']:.0f} s, {one['trials']} trials: {one['verdict']}, {one['plan']}"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure the cases that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", choices=list(ALL), help="measure this case alone; may be repeated")
    parser.add_argument(
        "--only", action="append", choices=list(PARTS)[1:], help="switch this off alone; may be repeated"
    )
    parser.add_argument("--seconds", type=float, default=30.0, help="seconds of the timing at the end")
    parser.add_argument("--out", type=Path, default=Path("out/ablation"), help="the folder of the results")
    asked = parser.parse_args()
    os.environ["OVQUANT_ISOLATE"] = "0"
    below = runtime.capabilities("CPU").default_precision != "f32"
    parts = [WHOLE, *(part for part in asked.only or list(PARTS)[1:] if part != "levels" or below)]
    asked.out.mkdir(parents=True, exist_ok=True)
    results = {}
    for name in asked.case or ALL:
        results[name] = measured(ALL[name], parts, asked.out, asked.seconds)
        print(told(name, results[name]), flush=True)
        (asked.out / "ablation.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
