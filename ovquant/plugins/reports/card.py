"""A result on a few lines, as a Python prompt and a notebook show it, and as plain data."""

import html
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ovquant.plugins.reports.figures import printable
from ovquant.plugins.reports.sections import summary
from ovquant.plugins.reports.sentences import verdict_sentence

if TYPE_CHECKING:
    from ovquant.domain.result import ResultRecord
    from ovquant.domain.trial import Trial


def card(result: "ResultRecord", folder: Path) -> str:
    """Return the verdict, the float model beside the returned one, and where that lies."""
    section = summary(result)
    lines = [section.header, *section.rows]
    widths = [max(len(line[place]) for line in lines) for place in range(len(section.header))]
    table = [
        "  ".join(_padded(cell, width, place) for place, (cell, width) in enumerate(zip(line, widths, strict=True)))
        for line in lines
    ]
    text = [f"{result.verdict.capitalize()}: {verdict_sentence(result)}", "", *table, "", f"in {folder}"]
    return printable("\n".join(line.rstrip() for line in text))


def card_html(result: "ResultRecord", folder: Path) -> str:
    """Return the same as HTML."""
    section = summary(result)
    rows = ["".join(f"<th>{html.escape(cell)}</th>" for cell in section.header)]
    rows += [
        f"<th>{html.escape(first)}</th>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in others)
        for first, *others in section.rows
    ]
    table = "".join(f"<tr>{row}</tr>" for row in rows)
    told = f"<p><b>{result.verdict.capitalize()}</b>: {html.escape(verdict_sentence(result))}</p>"
    return printable(f"{told}<table>{table}</table><p>in <code>{html.escape(str(folder))}</code></p>")


def plain_summary(result: "ResultRecord", folder: Path) -> dict[str, Any]:
    """Return what a result comes to as plain values; None for what was not measured."""
    trial, float_trial = result.trial, result.baseline
    scores = trial.holdout or trial.search
    main = None if scores is None else scores.main
    return {
        "verdict": result.verdict,
        "plan": result.plan.full_title,
        "metric": result.metric,
        "score": None if main is None else main.value,
        "float_score": None if main is None else main.float_value,
        "drop": None if main is None else main.drop,
        "drop_low": None if main is None else main.low,
        "drop_high": None if main is None else main.high,
        "allowed_drop": None if main is None else main.allowed,
        "samples": None if main is None else main.samples,
        **_speed(trial),
        "float_latency_ms": None if trial.timing is None else trial.timing.float_p50_ms,
        "size_bytes": trial.size_bytes,
        "float_size_bytes": float_trial.size_bytes,
        "memory_bytes": trial.memory_bytes,
        "float_memory_bytes": float_trial.memory_bytes,
        "seconds": result.provenance.seconds,
        "folder": str(folder),
        "notes": list(result.notes),
    }


def trial_columns(result: "ResultRecord") -> dict[str, list[Any]]:
    """Return the trials by column, as pandas.DataFrame takes them; None for what was not measured."""
    rows = [_trial(trial) for trial in result.trials]
    return {name: [row[name] for row in rows] for name in _trial(result.trial)}


def _trial(trial: "Trial") -> dict[str, Any]:
    scores = trial.search
    return {
        "plan": trial.plan.full_title,
        "recipe": trial.plan.name,
        "drop": None if scores is None else scores.main.drop,
        "inside": None if scores is None else scores.inside,
        "samples": None if scores is None else scores.main.samples,
        **_speed(trial),
        "size_bytes": trial.size_bytes or None,
        "divergence": trial.divergence,
        "seconds": trial.seconds,
        "problem": trial.problem,
    }


def _speed(trial: "Trial") -> dict[str, float | None]:
    """Return a speed-up over float with its interval, where it has one, and the median time."""
    timing = trial.timing
    if timing is None:
        return dict.fromkeys(("speedup", "speedup_low", "speedup_high", "latency_ms"))
    sure = timing.ratio_low > 0
    return {
        "speedup": timing.speedup,
        "speedup_low": 1 / timing.ratio_high if sure else None,
        "speedup_high": 1 / timing.ratio_low if sure else None,
        "latency_ms": timing.p50_ms,
    }


def _padded(cell: str, width: int, place: int) -> str:
    """Return a cell as wide as its column: the first is read from the left, figures from the right."""
    return cell.rjust(width) if place else cell.ljust(width)
