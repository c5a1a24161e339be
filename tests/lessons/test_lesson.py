"""What a lesson refuses, and what it gives out."""

import numpy as np
import pytest
import torch

from ovquant.errors import DataError, ModelError
from ovquant.lessons.lesson import Lesson
from ovquant.lessons.student import Student
from ovquant.testing.trainers import lesson_of, rounded

SIZE = 16


def lesson(net: torch.nn.Module, samples: np.ndarray, kept: int = 4) -> Lesson:
    weight = net.linear.weight.detach().numpy().copy()
    student = Student(net, {"linear": rounded(weight)}, {"linear": weight})
    return Lesson(student, lambda place: samples[place], range(kept, len(samples)), range(kept), 0)


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(SIZE, SIZE)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x)


class Random(Net):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x) + torch.rand(1)


class Whole(Net):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x).argmax(-1)


class Closed(Net):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return self.linear(x)


class Broken(Net):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x) / 0


SAMPLES = np.random.default_rng(0).normal(size=(40, 1, SIZE)).astype(np.float32)


@pytest.mark.parametrize(
    ("net", "what"),
    [
        (Random, "other outputs when it is asked again"),
        (Whole, "returns no floats"),
        (Closed, "no gradients.*under torch.no_grad"),
        (Broken, "gives NaN or infinity"),
    ],
)
def test_a_module_that_cannot_learn_is_refused(net: type[Net], what: str) -> None:
    with pytest.raises(ModelError, match=what):
        lesson(net(), SAMPLES)


def test_samples_that_the_module_does_not_take_are_told_with_its_own_words() -> None:
    with pytest.raises(ModelError, match="Net cannot be asked with these samples: RuntimeError"):
        lesson(Net(), SAMPLES[..., :5])


def test_too_few_samples_are_refused_with_their_number() -> None:
    with pytest.raises(DataError, match="12 samples are too few to train on"):
        lesson(Net(), SAMPLES[:12])


def test_batches_go_through_all_samples_and_never_through_those_that_are_kept() -> None:
    made = lesson(Net(), SAMPLES)
    batches = made.batches(12)
    rows = torch.cat([next(batches)[0] for _ in range(3)])
    wanted = {row.tobytes() for row in SAMPLES[4:, 0]}
    assert {row.numpy().tobytes() for row in rows} == wanted


def test_its_distance_is_the_loss_on_those_that_are_kept() -> None:
    made = lesson_of()
    kept = made._batch(made._kept)
    assert made.distance() == pytest.approx(float(made.loss(kept).detach()), rel=0.3)
    assert made.distance() == made.distance()


def test_the_memory_of_a_step_grows_with_what_it_keeps_for_gradients() -> None:
    made = lesson(Net(), SAMPLES)
    one, two = (made._kept_bytes(range(count)) for count in (1, 2))
    assert two > one
    assert made.needed_bytes() > two
    assert all(parameter.grad is None for parameter in made.parameters)
