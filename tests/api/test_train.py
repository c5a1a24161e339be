"""A module with quantizers in it trains in a loop of the user's own, and what comes of it is one contender of a search."""

import copy
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
import torch
from torch import nn
from torch.nn import functional

import ovquant
from ovquant.domain.sample import Sample
from ovquant.errors import DataError, ModelError, UsageError

RANDOM = np.random.default_rng(0)
QUICK: dict[str, Any] = {
    "strategy": "first",
    "recipes": ["trained"],
    "optimize": "size",
    "metric": "fidelity:by=cosine",
}
F32 = {"INFERENCE_PRECISION_HINT": "f32"}


class Net(nn.Module):
    """Two convolutions and a head, [n, 3, 8, 8] to [n, 5]."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 64, 3, padding=1)
        self.second = nn.Conv2d(64, 64, 3, padding=1)
        self.head = nn.Linear(64, 5)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        values = functional.relu(self.second(functional.relu(self.first(image))))
        found: torch.Tensor = self.head(values.mean(dim=(2, 3)))
        return found


def rows(count: int = 80) -> list[Sample]:
    return [Sample({"image": row}) for row in RANDOM.standard_normal((count, 3, 8, 8)).astype(np.float32)]


@pytest.fixture(scope="module")
def net() -> Net:
    torch.manual_seed(0)
    return Net().eval()


def batches(steps: int) -> Iterator[torch.Tensor]:
    yield from torch.randn(steps, 16, 3, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def trained(net: Net) -> Any:
    """Return the net with quantizers, trained to give the float net's answers."""
    made = ovquant.fake_quantize(net, rows())
    optimizer = torch.optim.Adam(made.parameters(), lr=1e-4)
    made.train()
    losses = []
    for batch in batches(20):
        with torch.no_grad():
            wanted = net(batch)
        loss = functional.mse_loss(made(batch), wanted)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert np.mean(losses[-5:]) < np.mean(losses[:5])
    return made.eval()


@pytest.fixture(scope="module")
def found(net: Net, trained: Any, tmp_path_factory: pytest.TempPathFactory) -> ovquant.Result:
    output = tmp_path_factory.mktemp("trained") / "out"
    return ovquant.quantize(trained, reference=net, data=rows(), max_drop=0.1, output=output, **QUICK)


def test_what_was_given_is_not_changed(net: Net) -> None:
    before = copy.deepcopy(net.state_dict())
    made = ovquant.fake_quantize(net, rows(), samples=8)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(2)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_a_trained_module_is_returned_as_it_was_trained(found: ovquant.Result, trained: Any, net: Net) -> None:
    assert (found.verdict, found.plan.title) == ("met", "int8, trained")
    assert found.plan.recipe is not None
    assert found.plan.recipe.trained
    assert found.trial.size_bytes < 0.6 * found.baseline.size_bytes
    served = openvino.Core().compile_model(str(found.folder / "model.xml"), "CPU", F32)
    batch = next(batches(1))
    answers = torch.tensor(served({"image": batch[:1].numpy()})[0])
    with torch.no_grad():
        assert functional.mse_loss(answers, trained(batch[:1])) < 0.001 * (answers**2).mean()
    assert openvino.Core().read_model(found.folder / "model.xml").input().get_any_name() == "image"


def test_drops_are_against_the_reference(found: ovquant.Result, net: Net) -> None:
    assert found.provenance.model_name == "Net"
    assert found.trial.holdout is not None
    assert found.trial.holdout.main.float_value == pytest.approx(1.0)
    again = ovquant.Result.load(found.folder)
    assert again.plan == found.plan


def test_it_is_one_contender_beside_others(net: Net, trained: Any) -> None:
    how = {**QUICK, "recipes": ["default", "weights"], "strategy": "integer-program"}
    result = ovquant.quantize(trained, reference=net, data=rows(), max_drop=0.1, **how)
    assert [trial.plan.name for trial in result.trials][:3] == ["trained", "default", "weights"]
    whole = {**QUICK, "recipes": (), "strategy": "integer-program", "max_trials": 2, "optimize": "latency"}
    result = ovquant.quantize(trained, reference=net, data=rows(), max_drop=0.1, **whole)
    assert result.trials[0].plan.name == "trained"
    assert result.trials[1].plan.name.startswith("transformer")


def test_other_weights_are_another_plan(net: Net, trained: Any, found: ovquant.Result) -> None:
    other = copy.deepcopy(trained)
    with torch.no_grad():
        other.head.weight.mul_(1.01)
    result = ovquant.quantize(other, reference=net, data=rows(), max_drop=0.9, **QUICK)
    assert result.plan.recipe is not None
    assert found.plan.recipe is not None
    assert result.plan.recipe.trained != found.plan.recipe.trained


@pytest.mark.parametrize("isolate", [True, False])
def test_a_sequential_module_and_a_file_are_taken(net: Net, isolate: bool, tmp_path: Path) -> None:
    flat = nn.Sequential(nn.Flatten(), nn.Linear(192, 32), nn.ReLU(), nn.Linear(32, 4)).eval()
    made = ovquant.fake_quantize(flat, rows(), recipe="default")
    example = torch.zeros(1, 3, 8, 8)
    how = {**QUICK, "isolate": isolate}
    first = ovquant.quantize(
        (made, example), reference=(flat, example), data=rows(), max_drop=0.1, output=tmp_path / "a", **how
    )
    assert (first.verdict, first.plan.title) == ("met", "int8, trained")
    # What is quantized already, and came from somewhere else, is taken as well.
    path = first.folder / "model.xml"
    second = ovquant.quantize(path, reference=(flat, example), data=rows(), max_drop=0.1, **how)
    assert (second.verdict, second.plan.title) == ("met", "int8, trained")


def test_a_plan_of_a_trained_model_is_not_applied(found: ovquant.Result, net: Net) -> None:
    with pytest.raises(
        ovquant.ModelError, match="trained with quantizers in it, which a float model cannot be made into"
    ):
        ovquant.apply(found.folder / "plan.json", net, data=rows(), metric="fidelity:by=cosine", max_drop=0.1)


def test_what_is_no_trained_model_is_refused(net: Net, trained: Any) -> None:
    how = {**QUICK, "data": rows(), "max_drop": 0.1}
    with pytest.raises(ovquant.ModelError, match="The trained model quantizes no activations"):
        ovquant.quantize((net, torch.zeros(1, 3, 8, 8)), reference=net, **how)
    with pytest.raises(ovquant.ModelError, match="has the inputs f32, and its reference i64"):
        ovquant.quantize(trained, reference=(nn.Embedding(9, 5), torch.zeros(1, 3, dtype=torch.int64)), **how)
    with pytest.raises(ovquant.UsageError, match="'trained' is of a model that was trained; give that"):
        ovquant.quantize(net, **how)


def test_what_no_quantizers_can_be_put_into_is_refused(net: Net) -> None:
    with pytest.raises(ovquant.ModelError, match=r"takes a torch\.nn\.Module, and was given a str"):
        ovquant.fake_quantize("net.py", rows())
    with pytest.raises(ovquant.UsageError, match="takes the recipes default, mixed and transformer"):
        ovquant.fake_quantize(net, rows(), recipe="weights")
    with pytest.raises(ovquant.UsageError, match="samples is 0"):
        ovquant.fake_quantize(net, rows(), samples=0)
    with pytest.raises(ovquant.ModelError, match="NNCF cannot put quantizers into the module"):
        ovquant.fake_quantize(net, [Sample({"image": row}) for row in np.zeros((4, 7, 8, 8), np.float32)])


# Training by ovquant itself --------------------------------------------------------------------------------------------


class Products(nn.Module):
    """Three matrix products, [n, 32] to [n, 6]."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        sizes = (32, 64, 64, 6)
        layers = [nn.Sequential(nn.Linear(a, b), nn.ReLU()) for a, b in pairwise(sizes)]
        self.layers = nn.ModuleList(layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


FOUR = "weights:bits=4,group_size=32"
SMALL: dict[str, Any] = {"optimize": "size", "metric": "fidelity:by=cosine", "max_drop": 0.5}


def vectors(count: int, seed: int = 0) -> list[Sample]:
    random, mixing = np.random.default_rng(seed), np.random.default_rng(9).normal(size=(6, 32))
    return [Sample({"x": row}) for row in (random.normal(size=(count, 6)) @ mixing).astype(np.float32)]


def test_a_module_is_trained_saved_and_applied_again(tmp_path: Path) -> None:
    module, data = Products().eval(), vectors(200)
    result = ovquant.quantize(module, data=data, recipes=[f"{FOUR}+train:seconds=3"], output=tmp_path / "out", **SMALL)
    assert result.plan.recipe is not None
    assert result.plan.recipe.trainer == "end-to-end"
    assert result.plan.taught is not None
    assert (tmp_path / "out" / "plan.safetensors").is_file()
    # The numbers are those that were measured, and nothing is trained.
    plan = tmp_path / "out" / "plan.json"
    again = ovquant.apply(plan, module, data=data, metric="fidelity:by=cosine", output=tmp_path / "again")
    assert again.verdict == "met"
    assert (tmp_path / "again" / "model.bin").read_bytes() == (tmp_path / "out" / "model.bin").read_bytes()
    assert again.plan.taught == result.plan.taught
    anew = ovquant.apply(plan, module, data=data, metric="fidelity:by=cosine", retrain=True)
    assert any(note.startswith("Trained anew, outputs are") for note in anew.notes)
    saved = result.save(tmp_path / "saved")
    assert (saved / "plan.safetensors").read_bytes() == (tmp_path / "out" / "plan.safetensors").read_bytes()


def test_without_its_numbers_a_plan_is_refused(tmp_path: Path) -> None:
    module, data = Products().eval(), vectors(200)
    ovquant.quantize(module, data=data, recipes=[f"{FOUR}+train:seconds=2"], output=tmp_path / "out", **SMALL)
    (tmp_path / "out" / "plan.safetensors").unlink()
    with pytest.raises(ModelError, match="plan.safetensors is not beside it"):
        ovquant.apply(tmp_path / "out" / "plan.json", module, data=data, metric="fidelity:by=cosine")


def test_a_model_that_is_no_module_needs_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--train needs the PyTorch module"):
        ovquant.quantize(tmp_path / "net.onnx", data=vectors(80), train="1m", **SMALL)


def test_a_plan_that_was_not_trained_cannot_be_trained_again(tmp_path: Path) -> None:
    module, data = Products().eval(), vectors(100)
    ovquant.quantize(module, data=data, recipes=["weights"], output=tmp_path / "out", **SMALL)
    with pytest.raises(UsageError, match="--retrain is for a plan whose numbers were trained"):
        ovquant.apply(tmp_path / "out" / "plan.json", module, data=data, metric="fidelity:by=cosine", retrain=True)


@pytest.mark.parametrize("recipe", ["weights+train", f"{FOUR},awq=true+train", "default+train"])
def test_what_is_not_weights_in_four_bits_is_not_trained(recipe: str) -> None:
    result = ovquant.quantize(Products().eval(), data=vectors(100), recipes=[recipe], **SMALL)
    assert result.trials[-1].problem.startswith("Trained are weights in 4 bits")


def test_data_that_are_trained_on_hold_no_held_out_sample() -> None:
    data = vectors(200)
    with pytest.raises(DataError, match="--train-data"):
        ovquant.quantize(Products().eval(), data=data, train_data=data[:50], train="1m", **SMALL)


def test_data_to_train_on_that_do_not_fit_are_refused_before_anything_is_measured() -> None:
    other = [Sample({"x": np.full((2, 3, 4), row, np.float32)}) for row in range(40)]
    with pytest.raises(DataError, match="the first sample of the training data"):
        ovquant.quantize(Products().eval(), data=vectors(200), train_data=other, train="1m", **SMALL)


@pytest.mark.parametrize(
    ("how", "sent"),
    [
        ({}, False),
        ({"recipes": ("weights", FOUR)}, False),
        ({"recipes": ("weights", f"{FOUR}+train:seconds=5")}, True),
        ({"train": 60.0}, True),
    ],
)
def test_a_module_is_sent_to_be_trained_only_where_it_may_be(
    how: dict[str, Any], sent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class SeenError(Exception):
        pass

    seen: list[Any] = []

    def opened(given: Any, progress: Any) -> None:
        seen.append(given.module)
        raise SeenError

    monkeypatch.setattr("ovquant.api.quantize.opened", opened)
    module = Products().eval()
    with pytest.raises(SeenError):
        ovquant.quantize(module, data=vectors(80), **SMALL, **how)
    assert seen == [module if sent else None]
