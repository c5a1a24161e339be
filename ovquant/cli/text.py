"""Put trials and timings into words, and verdicts into exit codes."""

import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console, RenderableType
from rich.table import Table

from ovquant.plugins.reports.figures import (
    decimal,
    interval,
    milliseconds,
    printable,
    speedup,
    speedup_interval,
    told_drop,
)
from ovquant.plugins.reports.sections import METHODS

if TYPE_CHECKING:
    from ovquant.domain.trial import Scores, Timing, Trial


DOCUMENT_SCHEMA = 1
"""The schema number of what is printed alone. It changes where a field goes or comes to mean something else, not where one is added."""
EXIT_CODES = {"met": 0, "float": 3, "infeasible": 3, "missed": 3, "inconclusive": 4}


def exit_code(verdict: str, *, allow_float: bool = False) -> int:
    """Return the exit code of a verdict; allow_float: float is what was asked for, too."""
    return 0 if verdict == "float" and allow_float else EXIT_CODES[verdict]


def score_change(score: "Scores | None") -> str:
    """Return `float → quantized` of one split."""
    if score is None:
        return ""
    return f"{decimal(score.main.float_value)} float → {decimal(score.main.value)} on {score.main.samples:,} samples"


def drop_text(drop: float, low: float | None, high: float | None, method: str = "") -> str:
    """Return a drop with its interval, where it has one, and how that was made."""
    ends, how = interval(low, high), f", {METHODS[method]}" if method in METHODS else ""
    told = told_drop(drop, low, high)
    return f"{told} (95 % interval {ends}{how})" if ends else told


def times_text(timing: "Timing | None") -> str:
    """Return the medians and 95th percentiles of float and quantized."""
    if timing is None:
        return ""
    pairs = (("p50", timing.float_p50_ms, timing.p50_ms), ("p95", timing.float_p95_ms, timing.p95_ms))
    return ", ".join(f"{name} {milliseconds(before)} float → {milliseconds(after)}" for name, before, after in pairs)


def speedup_text(timing: "Timing | None") -> str:
    """Return the speed-up with its interval, and say when noise hides it."""
    if timing is None:
        return ""
    noise = "" if timing.decided else f"; not decided: the noise exceeds the difference{timing.company}"
    return f"{speedup(timing.ratio)} (95 % interval {speedup_interval(timing)}{noise})"


def seconds_text(seconds: float) -> str:
    """Return a duration such as 12 s or 3 min 20 s."""
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"


def trial_line(trial: "Trial") -> str:
    """Return one line about a trial, for the log."""
    if trial.problem or trial.search is None:
        what = "" if trial.possible else "not possible: "
        return f"{trial.plan.full_title}: {what}{trial.problem}"
    parts = [f"score {decimal(trial.search.value)}"]
    if not trial.plan.is_float:
        inside = "inside" if trial.search.inside else "outside"
        main = trial.search.main
        parts.append(f"drop {told_drop(main.drop, main.low, main.high)} ({inside} the budget)")
        parts += [f"speed {speedup(trial.timing.ratio)}"] if trial.timing else []
    parts += [f"p50 {milliseconds(trial.timing.p50_ms)}"] if trial.timing else []
    took = f" [{seconds_text(trial.seconds)}]" if trial.seconds >= 0.5 else ""
    return f"{trial.plan.full_title}: {', '.join(parts)}{took}"


def note_rows(notes: Sequence[str]) -> dict[str, str]:
    """Return notes as rows of details, of which the first is called note."""
    return {"note" if place == 0 else " " * place: note for place, note in enumerate(notes)}


PIPED_WIDTH = 140
"""Columns of a table that goes to a file or a pipe, where there is no terminal to ask."""


def print_json(kind: str, values: Mapping[str, Any], file: Any = None) -> None:
    """Print a JSON document of a kind, whose fields `ovquant schema` tells; what files hold too has a schema number of its own."""
    document = {"document": kind, "schema": DOCUMENT_SCHEMA, **values}
    print(json.dumps(plain(document), indent=2, ensure_ascii=False), file=file or sys.stdout)


def plain(value: Any) -> Any:
    """Return a value with what JSON has no word for as null: infinities and NaN."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, str | int | bool) else str(value)


def show(*parts: RenderableType) -> None:
    """Print texts and tables for a person; where no terminal is, no line ends in spaces."""
    terminal = sys.stdout.isatty()
    console = Console(file=sys.stdout, width=None if terminal else PIPED_WIDTH, highlight=False, emoji=False)
    with console.capture() as captured:
        for part in parts:
            # The terminal breaks long lines itself: a command that is printed can be copied whole.
            console.print(
                printable(part) if isinstance(part, str) else part, markup=False, soft_wrap=isinstance(part, str)
            )
    text = captured.get()
    sys.stdout.write(text if terminal else "".join(f"{line.rstrip()}\n" for line in text.splitlines()))


def details(rows: Mapping[str, str]) -> Table:
    """Return a table of two columns, names and values, without lines; empty values are left out."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows.items():
        if value:
            table.add_row(printable(name), printable(value))
    return table


def table_of(title: str, columns: Mapping[str, bool], rows: list[list[str]]) -> Table:
    """Return a table; `columns` maps a heading to whether the column is right-aligned."""
    table = Table(
        title=printable(title) or None, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0)
    )
    for heading, right in columns.items():
        table.add_column(heading, justify="right" if right else "left", header_style="dim", overflow="fold")
    for row in rows:
        table.add_row(*map(printable, row))
    return table
