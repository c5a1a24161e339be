"""Render results.json as Markdown."""

from collections.abc import Iterator, Mapping
from typing import Any

from cases import ALL
from goals import goal_lines, summary

HEADER = (
    "contender",
    "score",
    "drop (95 %)",
    "inside",
    "latency ms",
    "of float's (95 %; by heat)",
    "throughput time, of float's",
    "MB",
    "made in s",
    "compiles",
    "inferences",
    "peak MiB",
)


SHORT = (
    "case",
    "float ms",
    "float inside",
    "fastest other inside, of float's",
    "ovquant, of float's (95 %)",
    "of the fastest (95 %)",
    "drop of allowed",
    "made in s",
)


def render(results: Mapping[str, Any]) -> str:
    """Return the whole table, a short one first."""
    cases = results["cases"]
    settings = ", ".join(f"{name} {value}" for name, value in results["settings"].items())
    lines = ["# Benchmark", "", f"Settings: {settings}.", "", *short(cases), ""]
    for name in (name for name in ALL if name in cases):
        lines += [*_case(name, cases), ""]
    totals = summary(ALL, cases)
    return "\n".join([*lines, *(["## All cases", "", *totals, ""] if totals else [])])


def short(cases: Mapping[str, Any]) -> list[str]:
    """Return a table with a line for each case that was measured."""
    rows = [
        f"| {' | '.join(_in_short(name, contenders_of(name, cases), cases[name]['measured']))} |"
        for name in ALL
        if "ovquant" in cases.get(name, {}).get("measured", {}).get("models", {})
    ]
    return [f"| {' | '.join(SHORT)} |", f"|{' --- |' * len(SHORT)}", *rows]


def _in_short(name: str, contenders: Mapping[str, Any], measured: Mapping[str, Any]) -> list[str]:
    models = measured["models"]
    ours, made, lost = models["ovquant"], contenders["ovquant"], models["float"]
    rivals = {key: model for key, model in models.items() if model["inside"] and key not in ("float", "ovquant")}
    best = min(rivals, key=lambda key: rivals[key]["latency"]["ratio"], default=None)
    against = ours.get("against_best")
    outside = "" if ours["inside"] else "**outside**, "
    return [
        name,
        f"{lost['latency']['p50_ms']:.3g}",
        "yes" if lost["inside"] else f"no, {lost['drop']:.3g}",
        "none" if best is None else f"{best} {rivals[best]['latency']['ratio']:.3f}",
        f"{_interval(ours['latency'])}: {made['verdict']}",
        "–" if against is None else _interval(against),
        f"{outside}{ours['drop']:.4f} of {ours['allowed']:.4f}",
        f"{made['seconds']:.0f}",
    ]


def _interval(ratio: Mapping[str, Any]) -> str:
    return f"{ratio['ratio']:.3f} ({ratio['low']:.3f} to {ratio['high']:.3f})"


def contenders_of(name: str, cases: Mapping[str, Any]) -> dict[str, Any]:
    """Return the contenders of a case, those it shares with another one first."""
    shared = cases.get(ALL[name].shares, {}).get("contenders", {})
    common = {key: value for key, value in shared.items() if is_shared(key)}
    return {**common, **cases[name].get("contenders", {})}


def is_shared(contender: str) -> bool:
    """Tell whether a contender does not depend on the budget."""
    return not contender.startswith("ovquant") and contender != "nncf-accuracy-control"


def _case(name: str, cases: Mapping[str, Any]) -> Iterator[str]:
    case, measured = ALL[name], cases[name].get("measured", {})
    contenders = contenders_of(name, cases)
    yield f"## {name}: at most {case.max_drop}"
    yield ""
    yield f"{case.reason[0].upper()}{case.reason[1:]}."
    if measured:
        device = measured["device"]
        yield f"{measured['samples']} fresh samples on {device['name']}, which computes float in {device['default']}."
    yield ""
    yield f"| {' | '.join(HEADER)} |"
    yield f"|{' --- |' * len(HEADER)}"
    for contender, made in contenders.items():
        cells = _row(made, measured.get("models", {}).get(contender, {}))
        yield f"| {contender} | {' | '.join(cells)} |"
    yield ""
    yield from _remarks(contenders, measured)
    if measured:
        yield from goal_lines(name, contenders, measured)


def _row(made: Mapping[str, Any], model: Mapping[str, Any]) -> list[str]:
    cells = ["–"] * 7
    if model:
        latency, throughput = model["latency"], model.get("throughput")
        # Without a throughput it is an onnxruntime model, whose milliseconds come from another run than float's.
        cells = [
            f"{model['score']:.4f}",
            f"{model['drop']:.4f} ({model['low']:.4f} to {model['high']:.4f})",
            "yes" if model["inside"] else "no",
            "–" if throughput is None else f"{latency['p50_ms']:.3g}",
            _ratio(latency),
            "–" if throughput is None else f"{throughput['ratio']:.3f}",
            f"{model['size_bytes'] / 1e6:.2f}",
        ]
    counted = [str(made[key]) if key in made else "–" for key in ("compiles", "inferences")]
    return [*cells, f"{made['seconds']:.0f}", *counted, str(made["peak_mib"])]


def _ratio(latency: Mapping[str, Any]) -> str:
    heats = latency.get("heats")
    spread = f"; {min(heats):.3f} to {max(heats):.3f}" if heats else ""
    return f"{latency['ratio']:.3f} ({latency['low']:.3f} to {latency['high']:.3f}{spread})"


def _remarks(contenders: Mapping[str, Any], measured: Mapping[str, Any]) -> Iterator[str]:
    """Say what failed, what was stopped, and what had to leave the device's defaults."""
    for contender, made in contenders.items():
        if "unfinished" in made:
            yield f"- {contender}: {made['unfinished']}."
        elif "error" in made:
            yield f"- {contender}: failed, {made['error']}"
        elif "plan" in made:
            yield f"- {contender}: {made['verdict']}, {made['plan']}."
        problem = measured.get("models", {}).get(contender, {}).get("problem")
        if problem:
            yield f"- {contender}: measured in f32. At the device's default: {problem}"
