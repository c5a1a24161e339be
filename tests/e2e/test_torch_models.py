"""The main job from Python on torch modules that are no image classifiers."""

import numpy as np
import pytest
import torch

import ovquant

SERIES = np.random.default_rng(0).standard_normal((400, 24, 4)).astype(np.float32)


class Recurrent(torch.nn.Module):
    """A GRU over [n, 24, 4] and a linear head to one value per series."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.gru = torch.nn.GRU(4, 32, batch_first=True)
        self.head = torch.nn.Linear(32, 1)

    def forward(self, series: torch.Tensor) -> torch.Tensor:
        return self.head(self.gru(series)[0][:, -1])[:, 0]


def mean_error(outputs: np.ndarray, targets: list[float]) -> float:
    return float(np.abs(outputs - np.asarray(targets)).mean())


mean_error.higher_is_better = False  # type: ignore[attr-defined]


@pytest.mark.parametrize("metric", [mean_error, "mae"], ids=["function", "registered"])
def test_a_recurrent_regressor_with_a_metric_that_falls(metric: object) -> None:
    module = Recurrent()
    module.example_input = torch.zeros(1, 24, 4)
    with torch.no_grad():
        targets = module(torch.tensor(SERIES)).numpy() + 0.1
    state = {name: value.clone() for name, value in module.state_dict().items()}
    result = ovquant.quantize(
        module,
        data=list(zip(SERIES, targets.tolist(), strict=True)),
        metric=metric,
        max_drop="20%",
        recipes=["default", "weights"],
        strategy="first",
        # What a size wins depends on no timing.
        optimize="size",
    )
    assert result.verdict in ("met", "float")
    assert result.baseline.search is not None
    assert result.baseline.search.float_value == pytest.approx(0.1, abs=0.01)
    assert not any(trial.problem for trial in result.trials)
    assert result.compile()(SERIES[:1])[0].shape == (1,)
    assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())


def test_a_loader_without_labels_and_two_inputs() -> None:
    class Two(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(1)
            self.left, self.right = torch.nn.Linear(96, 64), torch.nn.Linear(8, 64)
            self.head = torch.nn.Linear(64, 10)

        def forward(self, series: torch.Tensor, extra: torch.Tensor) -> torch.Tensor:
            return self.head(torch.relu(self.left(series.flatten(1)) + self.right(extra)))

    extras = np.random.default_rng(1).standard_normal((400, 8)).astype(np.float32)
    data = torch.utils.data.DataLoader(
        [{"series": a, "extra": b} for a, b in zip(SERIES, extras, strict=True)], batch_size=16
    )
    result = ovquant.quantize(
        (Two(), {"series": torch.zeros(1, 24, 4), "extra": torch.zeros(1, 8)}),
        data=data,
        metric="fidelity",
        max_drop="20%",
        recipes=["default"],
        strategy="first",
    )
    trial = result.trials[0]
    assert trial.problem == ""
    assert trial.search is not None
    assert 0.8 < trial.search.value <= 1
    assert trial.search.float_value == 1
