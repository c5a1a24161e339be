"""A training keeps its best moment, ends where nothing is gained, and goes on where it was."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from ovquant.errors import ModelError
from ovquant.lessons.course import Course
from ovquant.lessons.lesson import Lesson
from ovquant.plugins.trainers import EndToEnd
from ovquant.testing.trainers import lesson_of

SECONDS = 6.0


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have so many steps in a second, whatever else the processors do."""
    ticks = itertools.count()
    monkeypatch.setattr("ovquant.lessons.course.monotonic", lambda: next(ticks) / 40)


def course(trainer, folder: Path, seconds: float = SECONDS, lesson: Lesson | None = None) -> Course:  # type: ignore[no-untyped-def]
    return Course(lesson or lesson_of(), trainer, seconds, folder / "learned.course")


def test_it_ends_at_its_best_moment(tmp_path: Path) -> None:
    made = course(EndToEnd(), tmp_path)
    told: list[tuple[str, int, int]] = []
    made.told = lambda *step: told.append(step)
    made.run()
    assert made.best < 0.9 * made.before
    assert made.lesson.distance() == pytest.approx(made.best)
    assert made.best == min(distance for _, distance in made.curve)
    assert made.rate in EndToEnd().rates
    assert 0 < made.steps <= made.taken
    assert {what.partition(":")[0] for what, _, _ in told} == {"choosing a learning rate", "training"}


def test_a_rate_that_is_far_too_high_is_never_kept(tmp_path: Path) -> None:
    made = course(EndToEnd(rates=(10.0,)), tmp_path)
    made.run()
    assert made.best == made.before == pytest.approx(made.lesson.distance())
    assert "was ended" in made.notes[-1]


@dataclass(frozen=True)
class Breaking:
    """Learns as it should, but for its loss, which is NaN after so many steps."""

    after: int
    rates: tuple[float, ...] = (1e-3,)

    def train(self, lesson: Lesson, rate: float) -> Iterator[float]:
        for number, loss in enumerate(EndToEnd().train(lesson, rate), start=1):
            if number > self.after:
                with torch.no_grad():
                    for parameter in lesson.parameters:
                        parameter.fill_(math.nan)
                yield math.nan
            yield loss


def test_a_loss_of_nan_leaves_the_best_before_it_and_is_told_by_its_step(tmp_path: Path) -> None:
    made = course(Breaking(after=120), tmp_path)
    made.run()
    assert math.isfinite(made.lesson.distance())
    assert made.lesson.distance() == pytest.approx(made.best)
    assert made.best <= made.before
    assert any("was nan at step" in note for note in made.notes)


@pytest.mark.parametrize("progress", [0.0, 0.5])
def test_one_that_was_killed_goes_on(tmp_path: Path, progress: float) -> None:
    begun: list[float] = []

    @dataclass(frozen=True)
    class Killed:
        rates: tuple[float, ...] = (1e-3,)

        def train(self, lesson: Lesson, rate: float) -> Iterator[float]:
            begun.append(rate)
            for loss in EndToEnd().train(lesson, rate):
                # The first time it is a short run.
                if len(begun) == 2 and lesson.progress >= progress:
                    raise KeyboardInterrupt
                yield loss

    first = course(Killed(), tmp_path)
    with pytest.raises(KeyboardInterrupt):
        first.run()
    assert first.file.exists()
    begun.clear()

    @dataclass(frozen=True)
    class Watched:
        rates: tuple[float, ...] = (1e-3,)

        def train(self, lesson: Lesson, rate: float) -> Iterator[float]:
            begun.append(rate)
            return EndToEnd().train(lesson, rate)

    second = course(Watched(), tmp_path)
    second.run()
    # The rate is known, and what was learned counts.
    assert begun == [1e-3]
    assert second.before == first.before
    assert second.curve[: len(first.curve) - 1] == first.curve[: len(first.curve) - 1]
    assert second.best <= first.best < first.before


def test_where_there_is_no_room_for_it_the_error_says_so(tmp_path: Path) -> None:
    made = course(EndToEnd(), tmp_path / "none", seconds=2.0)
    with pytest.raises(ModelError, match="What was learned could not be written.*left as it was"):
        made.run()
