"""One training: a rate is chosen by short runs, the best moment is kept, and what does not help is ended."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

import torch

from ovquant.errors import ModelError
from ovquant.lessons.lesson import Lesson

TRYING = 0.05
"""The share of the time that each rate is tried for."""
LOOKS = 20
"""How often the samples that are not trained on are looked at, about."""
PATIENCE = 5
"""Looks in a row at which outputs are no nearer to float's than untrained, after which a training ends."""
GAIN, ENOUGH = 0.01, 20
"""The share by which a short run must bring outputs nearer to float's, and the steps that it takes to tell that it does not."""


class Trainer(Protocol):
    """See `ovquant.plugins.protocols.Trainer`."""

    @property
    def rates(self) -> tuple[float, ...]: ...

    def train(self, lesson: Any, rate: float, /) -> Iterator[float]: ...


@dataclass
class Course:
    """A training of a student for so many seconds; `file` receives what is needed to go on after it was killed.

    `told` is called with what has come of it, the seconds that are gone, and those in all. `before` and `best` are how far outputs were from float's on
    samples that were not trained on; the best moment was after `steps` of those `taken`. `curve` has the distance at each look, by
    steps: first those of short runs at each rate, each from the beginning.
    """

    lesson: Lesson
    trainer: Trainer
    seconds: float
    file: Path
    told: Callable[[str, int, int], None] = lambda what, done, total: None
    before: float = 0.0
    best: float = math.inf
    rate: float = 0.0
    steps: int = 0
    taken: int = 0
    curve: list[tuple[int, float]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._spent, self._state = 0.0, self.lesson.student.state()
        self._begin = monotonic()
        self._span = (self._begin, self._begin + self.seconds)

    def run(self) -> None:
        """Train, and leave the student at its best moment; that can be the beginning."""
        self._resume()
        self._begin = monotonic() - self._spent
        if not self.rate:
            self.before = self.best = self.lesson.distance()
            self._look(0)
            if not self._try_rates():
                self.notes.append("a short run brought outputs no nearer to float's, and so it was ended")
        if self.rate:
            self.lesson.student.load(self._state)
            self._train()
        self.lesson.student.load(self._state)

    def _try_rates(self) -> bool:
        """Train for a short while at each rate, from the same beginning, and keep the best; tell whether one may help."""
        start, nearest, most = self.lesson.student.state(), (math.inf, 0.0), 0
        for rate in self.trainer.rates:
            self.lesson.student.load(start)
            # Each is a whole training in small: the rate falls to its end.
            self._span = (monotonic(), monotonic() + TRYING * self.seconds)
            taken = self._some(self._stepping(rate), self._span[1])
            if taken:
                self._look(taken)
                nearest, most = min(nearest, (self.curve[-1][1], rate)), max(most, taken)
        self.lesson.progress = 0.0
        if not self.best < (1 - GAIN) * self.before:
            self._state, self.best, self.steps = start, self.before, 0
            if most >= ENOUGH:
                return False
        self.rate = nearest[1]
        return self.rate > 0

    def _train(self) -> None:
        self._save()
        end, fruitless, taken = self._begin + self.seconds, 0, self.steps
        pause, self._span = self.seconds / LOOKS, (monotonic(), end)
        steps = self._stepping(self.rate)
        while monotonic() < end and fruitless < PATIENCE:
            until = min(end, monotonic() + pause)
            done = self._some(steps, until)
            if not done:
                break
            taken += done
            self._look(taken)
            fruitless = fruitless + 1 if self.curve[-1][1] >= self.before else 0
            self._save()
        if fruitless >= PATIENCE:
            self.notes.append("it brought outputs no nearer to float's any more, and was ended")
        self.taken = taken

    def _stepping(self, rate: float) -> Iterator[float]:
        return iter(self.trainer.train(self.lesson, rate))

    def _some(self, steps: Iterator[float], until: float) -> int:
        """Take steps until a time, one at least, and return how many; 0 where there are none left, or a loss is NaN."""
        done = 0
        for loss in steps:
            done += 1
            if not math.isfinite(loss):
                self.notes.append(f"its loss was {loss} at step {self.taken + done}, and the best before that was kept")
                return 0
            now, (begin, end) = monotonic(), self._span
            self.lesson.progress = min(1.0, max(0.0, (now - begin) / max(end - begin, 1e-9)))
            self.told(self._doing(), round(now - self._begin), round(self.seconds))
            if now >= until:
                break
        return done

    def _doing(self) -> str:
        """Say how far it is; this changes with each look."""
        known = f"{self.best:.3g} from float's, {self.before:.3g} before"
        return f"training: outputs are {known}" if self.rate else f"choosing a learning rate: outputs are {known}"

    def _look(self, taken: int) -> bool:
        """Look at the samples that are not trained on, and keep a moment that is better than all before."""
        distance = self.lesson.distance()
        self.curve.append((taken, distance))
        if taken and not distance < self.best:
            return False
        self.best, self.steps, self._state = distance, taken, self.lesson.student.state()
        return bool(taken)

    def _save(self) -> None:
        """Write what is needed to go on; raises ModelError where there is no room for it."""
        known = {name: getattr(self, name) for name in _KEPT}
        partial = self.file.with_suffix(".partial")
        try:
            torch.save({"state": self._state, "spent": monotonic() - self._begin, **known}, partial)
            partial.replace(self.file)
        except (OSError, RuntimeError) as error:
            partial.unlink(missing_ok=True)
            raise ModelError(f"What was learned could not be written: {error}. The plan is left as it was.") from error

    def _resume(self) -> None:
        """Go on from what was written, if anything was."""
        if not self.file.exists():
            return
        known: Mapping[str, Any] = torch.load(self.file, weights_only=True)
        for name in _KEPT:
            setattr(self, name, known[name])
        self._state, self._spent = dict(known["state"]), float(known["spent"])


_KEPT = ("before", "best", "rate", "steps", "curve")
