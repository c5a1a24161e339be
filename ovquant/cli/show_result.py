"""Show the result of a run: the verdict, what it rests on, and the trials."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.table import Table

from ovquant.cli.conclusion import conclusion
from ovquant.cli.text import details, note_rows, print_json, seconds_text, show, table_of
from ovquant.plugins.reports.figures import file_size, speedup, told_drop
from ovquant.plugins.reports.sections import REQUIREMENTS, requirement_row, summary
from ovquant.plugins.reports.sentences import verdict_sentence

if TYPE_CHECKING:
    from ovquant.api.result import Result
    from ovquant.domain.trial import Scores, Trial


FILES = {"model": "model.xml", "plan": "plan.json", "result": "result.json", "report": "report.html"}
MOST_TRIALS = MOST_SHOWN = 12


def show_result(result: "Result", *, as_json: bool, trials: bool = True, quiet: bool = False) -> None:
    """Print a result for a person, quiet in three lines, or as one JSON document."""
    if as_json:
        print_json("result", result_json(result))
        return
    end = details(conclusion(result))
    if quiet:
        show(end)
        return
    section = summary(result)
    figures = table_of(
        "", dict(zip(section.header, (False, True, True), strict=True)), [list(row) for row in section.rows]
    )
    parts: list[Any] = [verdict(result), "", figures, section.remark, "", *proven(result), result_details(result)]
    if trials and result.trials:
        parts += ["", *trial_table(result)]
    show(*parts, "", end)


def proven(result: "Result") -> list[Any]:
    """Return the table of what had to hold, where that was more than a drop or had to be proven; and an empty line."""
    scores = result.trial.holdout
    if scores is None or (len(scores.all) == 1 and scores.main.level is None):
        return []
    return [requirement_table(scores), ""]


def requirement_table(scores: "Scores") -> Table:
    """Return what had to hold; of many slices those nearest to their limit."""
    columns = {title: place > 0 for place, title in enumerate(REQUIREMENTS)}
    shown = sorted(scores.all, key=lambda part: (bool(part.slice), -(part.p_value or 0.0), -part.excess))[:MOST_SHOWN]
    left_out = len(scores.all) - len(shown)
    title = "What had to hold" + (f"; {left_out} slices further from their limit are in the report" if left_out else "")
    return table_of(title, columns, [list(requirement_row(part)) for part in shown])


def verdict(result: "Result") -> str:
    """Return the verdict in one sentence that begins with it."""
    return f"{result.verdict.capitalize()}: {verdict_sentence(result)}"


def result_json(result: "Result") -> dict[str, Any]:
    """Return the content of result.json, and where the files lie."""
    files = {name: str(result.folder / file) for name, file in FILES.items() if (result.folder / file).exists()}
    return {**result.to_json(), "summary": verdict(result), "output": str(result.folder), "files": files}


def result_details(result: "Result") -> Table:
    """Return what was asked, what it took and where the files lie."""
    report = result.folder / FILES["report"]
    rows = {
        "budget": str(result.budget),
        "device": f"{result.provenance.device['device']}: {result.provenance.device['full_name']}",
        "took": seconds_text(result.provenance.seconds),
        "model (IR)": str(result.folder / FILES["model"]),
        "candidate": str(result.folder / "candidate") if result.candidate is not None else "",
        "front": f"{result.folder / 'pareto'}: {len(result.front)} plans" if result.front else "",
        "report": str(report) if report.exists() else "",
    }
    return details({**rows, **note_rows(result.notes)})


def trial_table(result: "Result") -> list[RenderableType]:
    """Return the trials that were scored, in the order they were made, the one that was returned marked; and what became of the others."""
    columns = {"": False, "trial": False, "drop on search": True, "on holdout": True, "speed-up": True}
    columns |= {"p50 ms": True, "size": True}
    held = {trial.plan.key: trial.holdout for trial in result.walked}
    rows = [
        trial_row(trial, trial.search, held.get(trial.plan.key), result)
        for trial in result.trials
        if trial.search is not None and not trial.problem
    ]
    left_out = len(rows) - MOST_TRIALS
    title = "Trials" if left_out <= 0 else f"The last {MOST_TRIALS} of {len(rows)} trials (the report has all)"
    table = table_of(f"{title}; ✗ is outside the budget, → was returned", columns, rows[-MOST_TRIALS:])
    return [*([table] if rows else []), *not_scored(result.trials)]


def not_scored(trials: Sequence["Trial"]) -> list[str]:
    """Return a line about the trials that were not scored, by what became of them."""
    others = [trial for trial in trials if trial.problem or trial.search is None]
    fates = Counter(
        (trial.problem.partition(":")[0] or "not scored") if trial.possible else "not possible" for trial in others
    )
    told = ", ".join(f"{count} {fate}" for fate, count in fates.items())
    return [f"Tried besides: {told}. The report says why."] if others else []


def trial_row(trial: "Trial", search: "Scores", holdout: "Scores | None", result: "Result") -> list[str]:
    """Return one line of the table of trials; its time is float's beside the returned plan, divided by its own speed-up."""
    mark = "→" if trial.plan.key == result.trial.plan.key else ""
    timing, base = trial.timing, result.trial.timing
    return [
        mark,
        trial.plan.full_title,
        _judged(search),
        "" if holdout is None else _judged(holdout),
        speedup(timing.ratio) if timing else "",
        f"{base.float_p50_ms * timing.ratio:.3g}" if timing and base else "",
        file_size(trial.size_bytes),
    ]


def _judged(scores: "Scores") -> str:
    main = scores.main
    return f"{told_drop(main.drop, main.low, main.high)} {'✗' if not scores.holds else ' '}"
