"""PyTorch in and out: a result as a module, and torch.compile with a stored result."""

import copy
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import ovquant
from ovquant import NotServedWarning

ROWS = torch.rand(240, 16, generator=torch.Generator().manual_seed(0))


class Net(torch.nn.Module):
    """Two inputs, of which the second is used first, two outputs, and a layer that no output needs."""

    def __init__(self, seed: int = 0) -> None:
        torch.manual_seed(seed)
        super().__init__()
        self.first, self.last = torch.nn.Linear(16, 256), torch.nn.Linear(256, 8)
        self.norm, self.unused = torch.nn.BatchNorm1d(256), torch.nn.Linear(3, 3)

    def forward(self, x: torch.Tensor, shift: torch.Tensor) -> dict[str, torch.Tensor]:
        hidden = torch.relu(self.norm(self.first(shift + x)))
        return {"scores": self.last(hidden), "hidden": hidden}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    result = ovquant.quantize(
        (Net(), (ROWS[:1], ROWS[:1])),
        data=[{"x": x.numpy(), "shift": shift.numpy()} for x, shift in TensorDataset(ROWS, ROWS.flip(1))],
        metric="fidelity:by=cosine",
        max_drop=0.05,
        strategy="first",
        recipes=["default"],
        optimize="size",
        output=folder / "net",
    )
    assert result.verdict == "met"
    return folder


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    torch.compiler.reset()
    yield
    torch.compiler.reset()


@pytest.fixture
def served(store: Path) -> ovquant.Result:
    return ovquant.Result.load(store / "net")


def run(module: torch.nn.Module, *tensors: torch.Tensor) -> dict[str, torch.Tensor]:
    with torch.no_grad():
        module(*tensors)  # the first call decides, and answers in float
        return module(*tensors)


def test_a_result_is_a_module_that_is_called_with_tensors(served: ovquant.Result) -> None:
    module = served.module()
    scores, hidden = module(ROWS[:5], shift=ROWS[5:10])
    expected = served.compile()({"x": ROWS[:5].numpy(), "shift": ROWS[5:10].numpy()})
    np.testing.assert_array_equal(scores.numpy(), expected[0])
    np.testing.assert_array_equal(hidden.numpy(), expected[1])
    assert scores.shape == (5, 8)
    assert not list(module.parameters())


def test_a_loader_of_batches_is_data() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(16, 2048), torch.nn.ReLU(), torch.nn.Linear(2048, 4)).eval()
    with torch.no_grad():
        classes = module(ROWS).argmax(1)
    result = ovquant.quantize(
        (module, ROWS[:1]),
        data=DataLoader(TensorDataset(ROWS, classes), batch_size=16),
        metric="accuracy",
        max_drop=0.2,
        strategy="first",
        recipes=["default"],
        optimize="size",
    )
    assert result.verdict == "met"
    assert result.provenance.data["holdout"].samples == 120
    assert (result.module()(ROWS).argmax(1) == classes).float().mean() >= 0.8


def test_torch_compile_serves_the_result_in_the_modules_own_shape(store: Path, served: ovquant.Result) -> None:
    compiled = torch.compile(Net().eval(), backend="ovquant", options={"store": str(store)})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = run(compiled, ROWS[:5], ROWS[5:10])
    scores, hidden = served.module()(ROWS[:5], ROWS[5:10])
    assert torch.equal(found["scores"], scores)
    assert torch.equal(found["hidden"], hidden)
    assert not torch.equal(scores, Net().eval()(ROWS[:5], ROWS[5:10])["scores"])


@pytest.mark.parametrize("dynamic", [None, True])
def test_torch_compile_serves_other_batches(store: Path, served: ovquant.Result, dynamic: bool | None) -> None:
    compiled = torch.compile(Net().eval(), backend="ovquant", dynamic=dynamic, options={"store": str(store)})
    for rows in (1, 3, 7):
        found = run(compiled, ROWS[:rows], ROWS[:rows])
        assert torch.equal(found["scores"], served.module()(ROWS[:rows], ROWS[:rows])[0])


def test_the_store_may_be_named_by_the_environment(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVQUANT_STORE", str(store))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(torch.compile(Net().eval(), backend="ovquant"), ROWS[:5], ROWS[:5])


def test_without_a_store_torch_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OVQUANT_STORE", raising=False)
    with pytest.raises(Exception, match="There is no store. Give options"):
        torch.compile(Net().eval(), backend="ovquant")(ROWS[:5], ROWS[:5])


def test_other_weights_run_in_float_with_a_warning(store: Path) -> None:
    other = Net(seed=1).eval()
    compiled = torch.compile(other, backend="ovquant", options={"store": str(store)})
    with pytest.warns(NotServedWarning, match="no result for a graph with these weights"):
        found = run(compiled, ROWS[:5], ROWS[:5])
    torch.testing.assert_close(found["scores"], other(ROWS[:5], ROWS[:5])["scores"])


class Swapped(Net):
    """The same weights, and other answers."""

    def forward(self, x: torch.Tensor, shift: torch.Tensor) -> dict[str, torch.Tensor]:
        hidden = torch.relu(self.norm(self.first(shift + x)))
        return {"scores": -self.last(hidden), "hidden": hidden}


class Renamed(Net):
    """The same weights, and other names."""

    def forward(self, left: torch.Tensor, right: torch.Tensor) -> dict[str, torch.Tensor]:
        return super().forward(left, right)


class Fewer(Net):
    """The same weights, and one output."""

    def forward(self, x: torch.Tensor, shift: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"scores": super().forward(x, shift)["scores"]}


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (Swapped, "answers something else than the graph"),
        (Renamed, "has the inputs x, shift, and the graph"),
        (Fewer, "has 2 outputs, and the graph 1"),
    ],
)
def test_what_is_not_the_model_of_the_result_runs_in_float(store: Path, other: type[Net], reason: str) -> None:
    module = other().eval()
    compiled = torch.compile(copy.deepcopy(module), backend="ovquant", options={"store": str(store)})
    with pytest.warns(NotServedWarning, match=reason):
        found = run(compiled, ROWS[:5], ROWS[5:10])
    torch.testing.assert_close(found["scores"], module(ROWS[:5], ROWS[5:10])["scores"])


def test_a_damaged_result_is_not_served(store: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(store, tmp_path / "store") / "net"
    whole = (folder / "model.bin").read_bytes()
    (folder / "model.bin").write_bytes(whole[:-100] + bytes(100))
    module = Net().eval()
    compiled = torch.compile(module, backend="ovquant", options={"store": str(folder.parent)})
    with torch.no_grad(), pytest.warns(NotServedWarning, match="net' is damaged: model.bin is not the one"):
        found = compiled(ROWS[:1], ROWS[:1])["scores"]
    assert torch.equal(found, module(ROWS[:1], ROWS[:1])["scores"])
