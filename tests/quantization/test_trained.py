"""Quantizers are put into a copy of a PyTorch module, whatever its root is."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

from ovquant.domain.recipe import Recipe
from ovquant.errors import UsageError
from ovquant.quantization.trained import Contained, fake_quantized

ROWS = list(torch.randn(8, 1, 6, generator=torch.Generator().manual_seed(0)))


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3)).eval()


class Net(nn.Module):
    """The same as a module of its own class."""

    def __init__(self) -> None:
        super().__init__()
        self.first, _, self.last = net()

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.last(torch.relu(self.first(values)))
        return found


@pytest.mark.parametrize(
    ("build", "recipe"), [(net, Recipe()), (net, Recipe(preset="mixed")), (Net, Recipe(model_type="transformer"))]
)
def test_a_copy_rounds_and_the_module_stays_as_it_was(build: Callable[[], nn.Module], recipe: Recipe) -> None:
    module = build()
    before = copy.deepcopy(module.state_dict())
    made = fake_quantized(module, ROWS, recipe)
    assert isinstance(made, Contained) is isinstance(module, nn.Sequential)
    with torch.no_grad():
        wanted, found = module(ROWS[0]), made(ROWS[0])
        error = float(((wanted - found) ** 2).mean() / (wanted**2).mean())
        assert 0 < error < 0.01
        for parameter in made.parameters():
            parameter.mul_(2)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_gradients_reach_the_weights() -> None:
    made = fake_quantized(net(), ROWS, Recipe())
    made(ROWS[0]).sum().backward()
    found = [parameter.grad for name, parameter in made.named_parameters() if name.endswith("weight")]
    assert found
    assert all(gradient is not None and gradient.abs().max() > 0 for gradient in found)


def test_what_a_module_has_no_settings_for_is_refused() -> None:
    with pytest.raises(UsageError, match="takes the recipes default, mixed and transformer"):
        fake_quantized(net(), ROWS, Recipe(activation_range="histogram"))
