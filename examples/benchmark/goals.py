"""What the benchmark is for, in a few figures: speed against the best rival, search time, and predictions."""

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cases import Case

RIVALS = {
    "against_plain": "float and NNCF on the graph as read",
    "against_best": "all contenders, those made by hand on the normal form included,",
}


def prediction_errors(result: Path) -> dict[str, Any] | None:
    """Return how far the predicted ratios of a result's trials were from the measured ones; None without any."""
    trials = json.loads(result.read_text(encoding="utf-8"))["trials"]
    errors = [
        abs(trial["predicted"] / trial["timing"]["ratio"] - 1)
        for trial in trials
        if trial["predicted"] is not None and trial["timing"] is not None
    ]
    if not errors:
        return None
    return {"trials": len(errors), "median": statistics.median(errors), "max": max(errors)}


def holdout_inferences(folder: Path) -> int:
    """Return how many inferences a result's folder spent on the holdout: a pass of float's and one per plan walked."""
    held_out = json.loads((folder / "result.json").read_text(encoding="utf-8"))["data"]["holdout"]["fingerprint"]
    lines = (folder / "profile.jsonl").read_text(encoding="utf-8").splitlines()
    keys = [entry["key"] for entry in map(json.loads, lines) if entry["kind"] == "evaluation"]
    return sum(key["samples"] for key in keys if key["data"] == held_out)


def geometric_mean(values: Sequence[float]) -> float:
    """Return the geometric mean of positive values."""
    return math.exp(statistics.fmean(math.log(value) for value in values))


def goal_lines(name: str, contenders: Mapping[str, Any], measured: Mapping[str, Any]) -> list[str]:
    """Return the lines of one case."""
    lines = []
    for ours in (key for key in measured["models"] if key.startswith("ovquant")):
        made, model = contenders[ours], measured["models"][ours]
        inside = "inside" if model["inside"] else "**outside**"
        ratios = " and ".join(_ratio(model[kind]) for kind in ("against_best", "against_plain"))
        lines.append(
            f"- {name}, {ours}: latency {ratios}; {inside} the budget on fresh data; made in {made['seconds']:.0f} s."
        )
        share = (made["inferences"] - made["holdout_inferences"]) / made["search_samples"]
        held_out = f"{made['holdout_inferences']:,} on the holdout aside"
        trials = f"{made.get('trials', 0)} trials"
        lines.append(f"  Inferences divided by the search samples, {held_out}: {share:.1f}; {trials}.")
        lines += _prediction_line(made.get("predictions"))
        lines += _control_line(made, contenders.get("nncf-accuracy-control"))
    alone = {key: model["alone_ms"] for key, model in measured["models"].items() if "alone_ms" in model}
    if alone:
        lines.append(f"- {name}, timed alone: {', '.join(f'{key} {value:.3g} ms' for key, value in alone.items())}.")
    again = measured["models"]["float"]["again"]
    heats = f"{min(again['heats']):.3f} to {max(again['heats']):.3f}"
    lines.append(f"- {name}, noise: float compiled again takes {again['ratio']:.3f} of float's time, {heats} by heat.")
    operations = measured.get("operations")
    if operations:
        lines.append(
            f"- {name}: the faster of float and INT8 per operation sums to {operations['ratio']:.3f} of float."
        )
    return lines


def _ratio(against: Mapping[str, Any]) -> str:
    return f"{against['ratio']:.3f} ({against['low']:.3f} to {against['high']:.3f}) of {against['best']}'s"


def _prediction_line(errors: Mapping[str, Any] | None) -> list[str]:
    if errors is None:
        return []
    far = f"median {errors['median']:.1%}, largest {errors['max']:.1%}"
    return [f"  Relative error of the predicted latency over {errors['trials']} trials: {far}."]


def _control_line(ours: Mapping[str, Any], control: Mapping[str, Any] | None) -> list[str]:
    if control is None or "error" in control:
        return []
    ratio = ours["seconds"] / control["seconds"]
    if control.get("unfinished"):
        return [f"  Search time: less than {ratio:.2f} of accuracy control's, which was stopped."]
    return [f"  Search time: {ratio:.2f} of accuracy control's."]


def summary(cases: Mapping[str, Case], results: Mapping[str, Any]) -> list[str]:
    """Return the lines over all cases that were measured, and over those of published nets."""
    lines = []
    for kind, rivals in RIVALS.items():
        speedups: dict[str, dict[str, float]] = {}
        for name in cases:
            models = results.get(name, {}).get("measured", {}).get("models", {})
            for ours, model in models.items():
                if kind in model:
                    speedup = 1 / model[kind]["ratio"]
                    # What is outside the budget is no speed-up.
                    speedups.setdefault(ours, {})[name] = speedup if model["inside"] else min(1.0, speedup)
        for ours, values in speedups.items():
            published = [value for name, value in values.items() if not cases[name].trained_here]
            apart = (
                f"; {geometric_mean(published):.3f} over the {len(published)} with a published net" if published else ""
            )
            lines.append(
                f"- {ours}: geometric mean speed-up {geometric_mean([*values.values()]):.3f} over the fastest of {rivals} inside "
                f"the same budget, over {len(values)} cases (a result outside the budget counts as 1 at most){apart}."
            )
    return lines
