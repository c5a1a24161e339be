"""Show on standard error what is being done, what is the best so far, and how long it may still take."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from ovquant.cli.text import seconds_text, table_of, trial_line
from ovquant.domain.progress import BESIDE
from ovquant.plugins.reports.figures import printable, speedup, told_drop

if TYPE_CHECKING:
    from ovquant.api.result import Result
    from ovquant.domain.trial import Trial


MOST_ROWS = 10
"""Trials that the live table has at most: the best so far, and the last."""
COLUMNS = {"": False, "trial": False, "drop": True, "speed-up": True, "took": True}
"""Headings of the live table, and whether a column is aligned to the right."""


class Display:
    """On a terminal a live table of trials, the best so far and the progress of a stage; elsewhere a line per trial.

    quiet: nothing of all that. verbose: a line for each stage as well.
    """

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        self._quiet, self._verbose = quiet, verbose
        self._begin = time.monotonic()
        self._what = ""
        self._task: TaskID | None = None
        self._best: Trial | None = None
        self._trials: list[Trial] = []
        self._console = Console(file=sys.stderr, highlight=False, emoji=False, soft_wrap=not sys.stderr.isatty())
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=15),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._live = Live(
            console=self._console,
            get_renderable=lambda: Group(self.table, Text(self.status), self._progress),
            transient=True,
        )

    def __enter__(self) -> "Display":
        if sys.stderr.isatty() and not self._quiet:
            self._live.start()
        self.step("reading the model and the data", 0, 0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    @property
    def status(self) -> str:
        """Return how long it has taken so far, and what the fastest plan inside the budget is."""
        taken = seconds_text(time.monotonic() - self._begin)
        if self._best is None or self._best.timing is None or self._best.search is None:
            return taken
        main, ratio = self._best.search.main, self._best.timing.ratio
        drop = told_drop(main.drop, main.low, main.high)
        return printable(
            f"{taken}; so far the fastest inside the budget: {self._best.plan.title}, {speedup(ratio)}, drop {drop}"
        )

    @property
    def table(self) -> Table:
        """Return the last trials as a table, with the best so far, marked, where it came before them."""
        last = self._trials[-MOST_ROWS:]
        if self._best is not None and self._best not in last:
            last = [self._best, *last[1:]]
        return table_of("", COLUMNS if last else {}, [self._row(trial) for trial in last])

    def _row(self, trial: "Trial") -> list[str]:
        mark = "→" if trial is self._best else ""
        took = seconds_text(trial.seconds) if trial.seconds >= 0.5 else ""
        if trial.problem or trial.search is None:
            fate = trial.problem.partition(":")[0] if trial.possible else "not possible"
            return [mark, f"{trial.plan.title}: {fate}", "", "", took]
        inside = " " if trial.plan.is_float or trial.search.inside else "✗"
        main = trial.search.main
        drop = "" if trial.plan.is_float else f"{told_drop(main.drop, main.low, main.high)} {inside}"
        return [mark, trial.plan.title, drop, speedup(trial.timing.ratio) if trial.timing else "", took]

    def step(self, what: str, done: int, total: int) -> None:
        """Say how much of how much of a stage is done; a total of zero means that nobody knows."""
        known, step = total or None, what.partition(BESIDE)[0]
        if step != self._what or self._task is None:
            if self._task is not None:
                self._progress.remove_task(self._task)
            self._what, self._task = step, self._progress.add_task(what, total=known)
            if self._verbose:
                self.say(f"[{seconds_text(time.monotonic() - self._begin)}] {what}")
        self._progress.update(self._task, description=what, completed=done, total=known)

    def say(self, line: str) -> None:
        """Print a line above the bars."""
        if not self._quiet:
            self._console.print(printable(line), markup=False)

    def target(self, name: str, result: "Result") -> None:
        """Show what a search on another machine came to."""
        self.say(f"{name}: {result.verdict}, {result.plan.title}")

    def trial(self, trial: "Trial") -> None:
        """Show a trial that was just measured: in the table where there is one, else as a line."""
        self._trials.append(trial)
        if not self._live.is_started:
            self.say(trial_line(trial))
        if trial.search is None or trial.timing is None or trial.problem or not trial.search.inside:
            return
        least = 1.0 if self._best is None or self._best.timing is None else self._best.timing.ratio
        if trial.timing.ratio < least:
            self._best = trial
