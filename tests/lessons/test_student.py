"""A module whose weights are rounded while it is a student, and that is float otherwise."""

import numpy as np
import pytest
import torch

from ovquant.errors import ModelError
from ovquant.graph.numbers import Numbers
from ovquant.lessons.student import Student
from ovquant.testing.trainers import rounded

SIZE = 32


class Net(torch.nn.Module):
    def __init__(self, *, transposed: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = torch.nn.Linear(SIZE, 24)
        kept = torch.randn(24, 16)
        self.last = torch.nn.Parameter(kept.T.contiguous().T if transposed else kept)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.first(x)) @ self.last


def stored(net: Net) -> tuple[dict[str, Numbers], dict[str, np.ndarray]]:
    # The product with `last` sums over its rows, so that a plan has it the other way round.
    weights = {"one": net.first.weight.detach().numpy().copy(), "two": net.last.detach().numpy().T.copy()}
    return {name: rounded(weight) for name, weight in weights.items()}, weights


def test_it_is_float_unless_it_is_asked_as_a_student() -> None:
    net, inputs = Net(), torch.randn(5, SIZE)
    before = net(inputs)
    numbers, weights = stored(net)
    student = Student(net, numbers, weights)
    assert set(student.names) == {"one", "two"}
    torch.testing.assert_close(net(inputs), before, rtol=0, atol=0)
    with student.rounding():
        found = net(inputs)
    hidden = torch.relu(inputs @ torch.from_numpy(numbers["one"].values).T + net.first.bias)
    torch.testing.assert_close(found, hidden @ torch.from_numpy(numbers["two"].values).T)
    torch.testing.assert_close(net(inputs), before, rtol=0, atol=0)


def test_its_numbers_are_those_it_began_with_until_it_learns() -> None:
    net = Net()
    numbers, weights = stored(net)
    student = Student(net, numbers, weights)
    for name, found in student.numbers().items():
        np.testing.assert_array_equal(found.codes, numbers[name].codes)
        np.testing.assert_array_equal(found.scale, numbers[name].scale)
        np.testing.assert_array_equal(found.zero, numbers[name].zero)
    with torch.no_grad():
        for parameter in student.parameters:
            parameter += 0.05 * torch.randn_like(parameter)
    state = student.state()
    learned = student.numbers()
    assert any((learned[name].codes != numbers[name].codes).any() for name in numbers)
    # What is written is what it computes with, f16 scales and integers in their span.
    inputs = torch.randn(3, SIZE)
    with student.rounding():
        found = net(inputs)
    hidden = torch.relu(inputs @ torch.from_numpy(learned["one"].values).T + net.first.bias)
    torch.testing.assert_close(found, hidden @ torch.from_numpy(learned["two"].values).T)
    other = Student(Net(), numbers, weights)
    other.load(state)
    np.testing.assert_array_equal(other.numbers()["one"].codes, learned["one"].codes)


def test_gradients_are_those_of_what_is_inside_the_grid() -> None:
    net = Net()
    numbers, weights = stored(net)
    student = Student(net, numbers, weights)
    with student.rounding():
        net(torch.randn(8, SIZE)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in student.parameters)
    frozen = [name for name, value in net.named_parameters() if not value.requires_grad]
    assert "first.bias" in frozen
    assert net.first.parametrizations.weight.original.grad is None


def test_a_weight_that_f16_rounds_is_known_again() -> None:
    net = Net()
    numbers, weights = stored(net)
    halved = {name: weight.astype(np.float16).astype(np.float32) for name, weight in weights.items()}
    assert set(Student(net, numbers, halved).names) == {"one", "two"}


def test_a_module_with_other_weights_is_refused() -> None:
    net = Net()
    numbers, weights = stored(net)
    other = {name: weight + 1 for name, weight in weights.items()}
    with pytest.raises(ModelError, match="0 of the 2 weights .* what the model was exported from"):
        Student(net, numbers, other)


def test_weights_that_are_shared_do_not_learn() -> None:
    net = torch.nn.ModuleDict({"table": torch.nn.Embedding(40, SIZE), "head": torch.nn.Linear(SIZE, 40, bias=False)})
    net["head"].weight = net["table"].weight
    weight = net["head"].weight.detach().numpy().copy()
    with pytest.raises(ModelError, match="0 of the 1 weights"):
        Student(net, {"head": rounded(weight)}, {"head": weight})
