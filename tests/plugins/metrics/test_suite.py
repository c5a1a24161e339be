"""Check that the public suite of metrics catches metrics that break the contract."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from ovquant.errors import MetricError
from ovquant.testing import MetricCase, MetricContract

SUITE = MetricContract()


def case() -> MetricCase:
    """Return a fresh case, since some of the metrics below write into it."""
    return MetricCase(np.array([[1.0], [2.0], [3.0]]), [1.0, 2.0, 3.0], np.array([[2.0], [2.0], [3.0]]))


@dataclass(frozen=True)
class Closeness:
    """Count right numbers; a sound metric for the others to break."""

    higher_is_better: bool = True
    is_mean: bool = True
    against: str = "targets"

    def measure(self, outputs: Any, targets: Sequence[Any], /) -> Sequence[Any]:
        """Return 1.0 or 0.0 per sample."""
        return [float(value[0] == target) for value, target in zip(outputs, targets, strict=True)]

    def aggregate(self, items: Sequence[Any], /) -> float:
        """Return the mean."""
        return float(np.mean(items))


class Short(Closeness):
    """Lose a sample."""

    def measure(self, outputs: Any, targets: Sequence[Any], /) -> Sequence[Any]:
        """Leave the last sample out."""
        return super().measure(outputs, targets)[:-1]


class First(Closeness):
    """Depend on the order."""

    def aggregate(self, items: Sequence[Any], /) -> float:
        """Return the first item."""
        return float(items[0])


class Batchwise(Closeness):
    """Depend on the batches."""

    def measure(self, outputs: Any, targets: Sequence[Any], /) -> Sequence[Any]:
        """Divide by the size of the batch."""
        return [item / len(targets) for item in super().measure(outputs, targets)]


class Summing(Closeness):
    """Call a sum a mean."""

    def aggregate(self, items: Sequence[Any], /) -> float:
        """Return the sum."""
        return float(np.sum(items))


class Scribbling(Closeness):
    """Change the outputs."""

    def measure(self, outputs: Any, targets: Sequence[Any], /) -> Sequence[Any]:
        """Write into the outputs."""
        outputs += 1
        return super().measure(outputs - 1, targets)


class Viewing(Closeness):
    """Keep views of the outputs as items."""

    def measure(self, outputs: Any, targets: Sequence[Any], /) -> Sequence[Any]:
        """Return views."""
        return list(outputs)

    def aggregate(self, items: Sequence[Any], /) -> float:
        """Return the mean of what the views show."""
        return float(np.mean(np.concatenate(items)))


class Nan(Closeness):
    """Give NaN."""

    def measure(self, outputs: Any, targets: Sequence[Any], /) -> Sequence[Any]:
        """Return NaN per sample."""
        return [float("nan")] * len(targets)


CHECKS: list[tuple[Any, Callable[[Any], None]]] = [
    (Short(), lambda metric: SUITE.test_measures_one_item_per_sample(metric, case())),
    (Nan(), lambda metric: SUITE.test_measures_one_item_per_sample(metric, case())),
    (First(), lambda metric: SUITE.test_order_changes_nothing(metric, case())),
    (Batchwise(), lambda metric: SUITE.test_batch_boundaries_change_nothing(metric, case(), 1)),
    (Summing(), lambda metric: SUITE.test_a_mean_is_the_mean_of_its_items(metric, case())),
    (Scribbling(), lambda metric: SUITE.test_outputs_and_targets_stay_as_they_are(metric, case())),
    (Viewing(), lambda metric: SUITE.test_items_outlive_the_batch(metric, case())),
    (Closeness(higher_is_better=False), lambda metric: SUITE.test_perfect_outputs_beat_worse_ones(metric, case())),
    (Closeness(against="labels"), lambda metric: SUITE.test_fits_the_protocol(metric)),
    (object(), lambda metric: SUITE.test_fits_the_protocol(metric)),
]


@pytest.mark.parametrize(("metric", "check"), CHECKS, ids=lambda value: type(value).__name__)
def test_a_breach_is_caught(metric: Any, check: Callable[[Any], None]) -> None:
    with pytest.raises((AssertionError, MetricError)):
        check(metric)


@pytest.mark.parametrize("check", [check for _, check in CHECKS])
def test_a_sound_metric_passes(check: Callable[[Any], None]) -> None:
    check(Closeness())


def test_options_must_be_frozen() -> None:
    @dataclass
    class Open:
        """Be changeable."""

    with pytest.raises(AssertionError, match="frozen"):
        SUITE.test_is_a_frozen_dataclass(Open())


def test_a_heavy_import_is_caught(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "slow_plugin.py").write_text("import jiwer\nclass Slow: pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import slow_plugin  # type: ignore[import-not-found]

    with pytest.raises(AssertionError, match=r"slow_plugin imports \['jiwer'\]"):
        SUITE.test_imports_nothing_heavy(slow_plugin.Slow())
