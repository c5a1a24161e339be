"""Show the result of a run: the verdict, what it rests on, and the trials."""

from typing import TYPE_CHECKING, Any

from rich.table import Table

from ovquant.cli.text import details, note_rows, print_json, seconds_text, show, table_of
from ovquant.plugins.reports.figures import decimal, file_size, speedup
from ovquant.plugins.reports.sections import REQUIREMENTS, requirement_row, summary
from ovquant.plugins.reports.sentences import verdict_sentence

if TYPE_CHECKING:
    from ovquant.api.result import Result
    from ovquant.domain.trial import Scores, Trial


FILES = {"model": "model.xml", "plan": "plan.json", "result": "result.json", "report": "report.html"}
MOST_TRIALS = MOST_SHOWN = 12


def show_result(result: "Result", *, as_json: bool, trials: bool = True) -> None:
    """Print a result for a person, or as one JSON document."""
    if as_json:
        print_json("result", result_json(result))
        return
    section = summary(result)
    figures = table_of(
        "", dict(zip(section.header, (False, True, True), strict=True)), [list(row) for row in section.rows]
    )
    parts: list[Any] = [verdict(result), "", figures, section.remark, "", *proven(result), result_details(result)]
    if trials and result.trials:
        parts += ["", trial_table(result)]
    show(*parts)


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


def trial_table(result: "Result") -> Table:
    """Return the trials in the order they were made; the one that was returned is marked."""
    columns = {"": False, "trial": False, "drop on search": True, "on holdout": True, "speed-up": True}
    columns |= {"p50 ms": True, "size": True}
    held = {trial.plan.key: trial.holdout for trial in result.walked}
    rows = [trial_row(trial, held.get(trial.plan.key), result.trial) for trial in result.trials]
    left_out = len(rows) - MOST_TRIALS
    title = "Trials" if left_out <= 0 else f"The last {MOST_TRIALS} of {len(rows)} trials (the report has all)"
    return table_of(f"{title}; ✗ is outside the budget, → was returned", columns, rows[-MOST_TRIALS:])


def trial_row(trial: "Trial", holdout: "Scores | None", chosen: "Trial") -> list[str]:
    """Return one line of the table of trials."""
    mark = "→" if trial.plan.key == chosen.plan.key else ""
    if trial.problem or trial.search is None:
        return [mark, trial.plan.full_title, "not scored" if trial.possible else "not possible", "", "", "", ""]
    timing = trial.timing
    return [
        mark,
        trial.plan.full_title,
        _judged(trial.search),
        "" if holdout is None else _judged(holdout),
        speedup(timing.ratio) if timing else "",
        f"{timing.p50_ms:.3g}" if timing else "",
        file_size(trial.size_bytes),
    ]


def _judged(scores: "Scores") -> str:
    return f"{decimal(scores.drop)} {'✗' if not scores.holds else ' '}"
