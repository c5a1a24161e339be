"""What the README writes down works as it stands."""

from typing import Any

import numpy as np
import pytest
import torch

import ovquant

F32 = {"INFERENCE_PRECISION_HINT": "f32"}
QUICK: dict[str, Any] = {"strategy": "first", "recipes": ["default"], "optimize": "size", "properties": F32}


class Net(torch.nn.Module):
    def __init__(self, inputs: int = 1) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.head = torch.nn.Linear(256, 128), torch.nn.Linear(128, 4)
        self.several = inputs > 1

    def forward(self, x: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        found = self.head(torch.relu(self.first(x)))
        return found + bias if self.several and bias is not None else found


def score(outputs: Any, targets: Any) -> float:
    return float((np.asarray(outputs).argmax(1) == np.asarray(targets)).mean())


def pairs(net: Net) -> list[tuple[Any, int]]:
    rows = np.random.default_rng(0).standard_normal((200, 256)).astype(np.float32)
    with torch.no_grad():
        return [(row, int(net(torch.from_numpy(row)[None]).argmax())) for row in rows]


@pytest.mark.parametrize("isolate", [True, False])
def test_a_module_is_traced_with_an_example_from_the_data(isolate: bool) -> None:
    net = Net()
    loader = torch.utils.data.DataLoader(pairs(net), batch_size=16)
    result = ovquant.quantize(net, data=loader, metric=score, max_drop="20%", isolate=isolate, **QUICK)
    assert (result.verdict, result.provenance.model_name) == ("met", "Net")
    # Nothing is noted but how it fares compiled otherwise and, where a process can tell, on other processors.
    expected = ("Compiled with no properties", "By simulation")
    assert all(note.startswith(expected) for note in result.notes)
    rows = torch.randn(3, 256)
    assert result.compile()(rows.numpy())[0].shape == (3, 4)


def test_several_inputs_are_taken_by_name() -> None:
    net = Net(inputs=2)
    data = [({"x": row, "bias": np.zeros(4, np.float32)}, label) for row, label in pairs(net)]
    assert ovquant.quantize(net, data=data, metric="accuracy", max_drop="20%", **QUICK).verdict == "met"


def test_numbers_of_numpy_s_default_are_those_of_a_module() -> None:
    net = Net()
    data = [(row.astype(np.float64), label) for row, label in pairs(net)]
    assert ovquant.quantize(net, data=data, metric="accuracy", max_drop="20%", **QUICK).verdict == "met"
