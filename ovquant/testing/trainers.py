"""Hold a trainer to its protocol."""

import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ovquant.graph.numbers import Numbers
from ovquant.plugins.protocols import Trainer
from ovquant.testing.plugins import PluginContract

if TYPE_CHECKING:
    from ovquant.lessons.lesson import Lesson

STEPS, SAMPLES, SIZE = 60, 200, 32


class TrainerContract(PluginContract):
    """Check a trainer on a small net whose weights are rounded to four bits. Give the fixture `trainer`; needs torch."""

    @pytest.fixture
    def trainer(self) -> Trainer:
        """Return the trainer."""
        raise NotImplementedError("Override the fixture 'trainer'.")

    @pytest.fixture
    def plugin(self, trainer: Trainer) -> Any:
        """Return the trainer."""
        return trainer

    def test_fits_the_protocol(self, trainer: Trainer) -> None:
        assert isinstance(trainer, Trainer)

    def test_has_rates_above_zero(self, trainer: Trainer) -> None:
        assert trainer.rates
        assert all(rate > 0 for rate in trainer.rates)

    def test_steps_bring_outputs_nearer_on_samples_that_it_was_not_given(self, trainer: Trainer) -> None:
        before, found = lesson_of().distance(), []
        for rate in trainer.rates:
            lesson = lesson_of()
            losses = taken(trainer, lesson, rate, STEPS)
            assert losses
            assert all(math.isfinite(loss) for loss in losses)
            found.append(lesson.distance())
        assert min(found) < before

    def test_the_float_module_stays_as_it_is(self, trainer: Trainer) -> None:
        lesson = lesson_of()
        batch = next(lesson.batches(4))
        before = lesson.module(batch[0]).detach().numpy().copy()
        taken(trainer, lesson, trainer.rates[0], 3)
        np.testing.assert_array_equal(lesson.module(batch[0]).detach().numpy(), before)

    def test_the_same_seed_learns_the_same(self, trainer: Trainer) -> None:
        found = []
        for _ in range(2):
            lesson = lesson_of()
            found.append(taken(trainer, lesson, trainer.rates[0], 5))
        assert found[0] == found[1]

    def test_steps_end_when_nobody_asks_for_more(self, trainer: Trainer) -> None:
        lesson = lesson_of()
        steps = iter(trainer.train(lesson, trainer.rates[0]))
        next(steps)
        state = lesson.student.state()
        del steps
        assert all((state[name] == value).all() for name, value in lesson.student.state().items())


def taken(trainer: Trainer, lesson: "Lesson", rate: float, steps: int) -> list[float]:
    """Return the losses of so many steps, over which all of the time passes, or of fewer where there are no more."""
    found = []
    for loss in itertools.islice(trainer.train(lesson, rate), steps):
        found.append(loss)
        lesson.progress = len(found) / steps
    return found


def lesson_of() -> "Lesson":
    """Return a lesson for a net of two layers, with samples and weights of one seed."""
    import torch

    from ovquant.lessons.lesson import Lesson
    from ovquant.lessons.student import Student

    torch.manual_seed(0)
    first, last = torch.nn.Linear(SIZE, SIZE), torch.nn.Linear(SIZE, 8)
    net = torch.nn.Sequential(first, torch.nn.ReLU(), last)
    weights = {name: layer.weight.detach().numpy().copy() for name, layer in (("first", first), ("last", last))}
    numbers = {name: rounded(weight) for name, weight in weights.items()}
    random = np.random.default_rng(0)
    # Values that go together, as those of real data do: else nearest rounding is the best.
    samples = (random.normal(size=(SAMPLES, 1, 6)) @ random.normal(size=(6, SIZE))).astype(np.float32)
    kept = list(range(0, SAMPLES, 5))
    places = [place for place in range(SAMPLES) if place not in kept]
    return Lesson(Student(net, numbers, weights), lambda place: samples[place], places, kept, 0)


def rounded(weight: "np.ndarray[Any, Any]", groups: int = 2) -> Numbers:
    """Return the numbers of a weight `[rows, columns]` in four bits, by the extremes of each group."""
    parts = weight.reshape(len(weight), groups, -1)
    low, high = parts.min(-1, keepdims=True), parts.max(-1, keepdims=True)
    scale = ((high - low) / 15).astype(np.float16).astype(np.float32)
    zero = np.round(-low / scale)
    codes = np.clip(np.round(parts / scale + zero), 0, 15)
    return Numbers("u4", codes.astype(np.int8), scale, zero.astype(np.int8))
