"""Distances of outputs: zero for the same, and those of the field otherwise."""

import pytest
import torch

from ovquant.lessons.losses import angle, divergence, loss_for, squared


@pytest.mark.parametrize("loss", [angle, divergence, squared])
def test_the_same_outputs_are_at_no_distance(loss) -> None:  # type: ignore[no-untyped-def]
    outputs = torch.randn(4, 7)
    assert float(loss(outputs, outputs)) == pytest.approx(0, abs=1e-6)
    assert float(loss(outputs + torch.randn(4, 7), outputs)) > 0.01


def test_divergence_is_that_of_distributions() -> None:
    student, teacher = torch.log(torch.tensor([[0.5, 0.5]])), torch.log(torch.tensor([[0.9, 0.1]]))
    expected = 0.9 * torch.log(torch.tensor(1.8)) + 0.1 * torch.log(torch.tensor(0.2))
    assert float(divergence(student, teacher)) == pytest.approx(float(expected))
    # What all logits have in common says nothing.
    assert float(divergence(teacher + 5, teacher)) == pytest.approx(0, abs=1e-6)


def test_squared_is_relative() -> None:
    assert float(squared(torch.tensor([2.0, 0.0]), torch.tensor([1.0, 0.0]))) == pytest.approx(1)


def test_angle_does_not_see_lengths() -> None:
    outputs = torch.randn(3, 5)
    assert float(angle(4 * outputs, outputs)) == pytest.approx(0, abs=1e-6)


def test_the_loss_follows_what_goes_in_and_what_comes_out() -> None:
    net = torch.nn.Sequential(torch.nn.Embedding(11, 5))
    tokens, pixels = {0: torch.ones(1, 3, dtype=torch.int64)}, {0: torch.ones(1, 3)}
    assert loss_for(net, tokens, [torch.ones(1, 3, 11)]) is divergence
    assert loss_for(net, tokens, [torch.ones(1, 5)]) is angle
    assert loss_for(net, pixels, [torch.ones(1, 11)]) is squared
