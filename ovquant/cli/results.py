"""Show the result of a run: the verdict, what it rests on, and the trials."""

from typing import TYPE_CHECKING, Any

from rich.table import Table

from ovquant.cli.output import facts, print_json, show, table_of
from ovquant.cli.wording import (
    drop_text,
    latency_text,
    number,
    score_change,
    seconds_text,
    size_text,
    speedup_text,
    verdict_sentence,
)

if TYPE_CHECKING:
    from ovquant.results import Result

FILES = {"model": "model.xml", "plan": "plan.json", "result": "result.json", "report": "report.html"}
MOST_TRIALS = 12


def show_result(result: "Result", *, as_json: bool, trials: bool = True) -> None:
    """Print a result for a person, or as one JSON document."""
    if as_json:
        print_json(result_json(result))
        return
    parts: list[Any] = [verdict_sentence(result), "", result_facts(result)]
    if trials and result.trials:
        parts += ["", trial_table(result)]
    show(*parts)


def result_json(result: "Result") -> dict[str, Any]:
    """Return the content of result.json, and where the files lie."""
    files = {name: str(result.folder / file) for name, file in FILES.items() if (result.folder / file).exists()}
    return {**result.to_json(), "summary": verdict_sentence(result), "output": str(result.folder), "files": files}


def result_facts(result: "Result") -> Table:
    """Return the figures that the verdict rests on."""
    trial, folder = result.trial, result.folder
    unit = "ms per sample" if result.objective == "throughput" else "ms"
    sizes = [size_text(result.baseline.size_bytes), size_text(trial.size_bytes)]
    rows = {
        "plan": trial.plan.name,
        f"{result.metric} on holdout": score_change(trial.holdout),
        "drop on holdout": drop_text(trial.holdout),
        "budget": str(result.budget),
        result.objective if result.objective != "size" else "latency": latency_text(trial.timing, unit=unit),
        "speed-up": "" if trial.plan.is_float else speedup_text(trial.timing),
        "size": " → ".join(
            f"{size} float" if place == 0 and sizes[1] else size for place, size in enumerate(sizes) if size
        ),
        "took": seconds_text(result.seconds),
        "model (IR)": str(folder / "model.xml"),
        "report": str(folder / "report.html") if (folder / "report.html").exists() else "",
    }
    notes = {"note" if place == 0 else " " * place: note for place, note in enumerate(result.notes)}
    return facts({**rows, **notes})


def trial_table(result: "Result") -> Table:
    """Return the trials in the order they were made; the one that was returned is marked."""
    columns = {"": False, "trial": False, "drop on search": True, "on holdout": True, "speed-up": True}
    columns |= {"p50 ms": True, "size": True, "": False}
    held = {trial.plan.key: trial.holdout for trial in result.walked}
    rows = []
    for trial in result.trials:
        if trial.problem or trial.search is None:
            rows.append(["", trial.plan.name, "not possible", "", "", "", ""])
            continue
        holdout, timing = held.get(trial.plan.key), trial.timing
        rows.append(
            [
                "→" if trial.plan.key == result.trial.plan.key else "",
                trial.plan.name,
                number(trial.search.drop) + _outside(trial.search.excess),
                "" if holdout is None else number(holdout.drop) + _outside(holdout.excess),
                f"{timing.speedup:.2f}x" if timing else "",
                f"{timing.p50_ms:.3g}" if timing else "",
                size_text(trial.size_bytes),
            ]
        )
    left_out = len(rows) - MOST_TRIALS
    title = "Trials" if left_out <= 0 else f"The last {MOST_TRIALS} of {len(rows)} trials (result.json has all)"
    return table_of(f"{title}; ✗ is outside the budget", columns, rows[-MOST_TRIALS:])


def _outside(excess: float) -> str:
    return " ✗" if excess > 0 else "  "
