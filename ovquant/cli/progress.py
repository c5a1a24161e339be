"""Show on standard error what is being done, and how long it may still take."""

import sys
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
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

from ovquant.cli.text import trial_line
from ovquant.plugins.reports.figures import printable

if TYPE_CHECKING:
    from ovquant.domain.trial import Trial


class Display:
    """One progress bar per stage with an ETA on a terminal; elsewhere only a line per finished trial."""

    def __init__(self) -> None:
        self._console = Console(file=sys.stderr, highlight=False, emoji=False, soft_wrap=not sys.stderr.isatty())
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not sys.stderr.isatty(),
            transient=True,
        )
        self._what = ""
        self._task: TaskID | None = None

    def __enter__(self) -> "Display":
        self._progress.start()
        self.step("reading the model and the data", 0, 0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def step(self, what: str, done: int, total: int) -> None:
        """Say how much of how much of a stage is done; a total of zero means that nobody knows."""
        known = total or None
        if what != self._what or self._task is None:
            if self._task is not None:
                self._progress.remove_task(self._task)
            self._what, self._task = what, self._progress.add_task(what, total=known)
        self._progress.update(self._task, completed=done, total=known)

    def say(self, line: str) -> None:
        """Print a line above the bars."""
        self._console.print(printable(line), markup=False)

    def trial(self, trial: "Trial") -> None:
        """Print a line about a trial that was just measured."""
        self.say(trial_line(trial))
