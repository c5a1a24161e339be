"""Models are scored on all of the data, alone or beside a reference in f32, with how sure the difference is."""

from typing import Any

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

import ovquant
from ovquant.domain.sample import Sample
from ovquant.errors import DeviceError, MetricError, UsageError
from tests.api.models import directions, linear, samples

DATA = samples(80)


def noisy() -> openvino.Model:
    """Return the classifier with other weights for a class, so that some samples are lost."""
    model = linear()
    (constant,) = [node for node in model.get_ops() if node.get_type_name() == "Constant"]
    weights = directions().copy()
    weights[:, 0] *= 0.5
    constant.output(0).replace(ops.constant(weights).output(0))
    return model


def share(model: openvino.Model) -> float:
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    right = [compiled(sample.inputs[None])[0].argmax() == sample.target for sample in DATA]  # type: ignore[call-overload]
    return float(np.mean(right))


def test_a_model_alone_has_a_score_and_no_drop() -> None:
    found = ovquant.evaluate(linear(), data=DATA, metric="accuracy")
    assert (found.metric, found.higher_is_better) == ("Accuracy", True)
    assert (found.evaluation.score, found.evaluation.samples) == (1.0, 80)
    assert (found.reference, found.drop, found.low, found.high, found.method) == (None, None, None, None, "")


def test_beside_a_reference_it_has_a_drop_and_its_interval() -> None:
    found = ovquant.evaluate(noisy(), data=DATA, metric="accuracy", reference=linear())
    assert found.evaluation.score == share(noisy())
    assert found.reference is not None
    assert found.reference.score == 1.0
    assert found.drop == pytest.approx(1.0 - share(noisy()))
    assert found.low is not None
    assert found.high is not None
    assert 0 < found.low < found.drop < found.high < 1
    assert found.method == "exact"
    # The other way round it is a gain.
    assert ovquant.evaluate(linear(), data=DATA, metric="accuracy", reference=noisy()).drop == -found.drop


def off(outputs: Any, targets: Any) -> Any:
    return np.asarray(outputs).argmax(1) != np.asarray(targets)


off.per_sample, off.higher_is_better = True, False  # type: ignore[attr-defined]


def test_a_metric_that_is_better_when_lower_drops_when_it_rises() -> None:
    found = ovquant.evaluate(noisy(), data=DATA, metric=off, reference=linear())
    assert (found.metric, found.higher_is_better) == ("off", False)
    assert found.drop == pytest.approx(1.0 - share(noisy()))


class First:
    """The first score on average, by a metric that does not say that it is a mean over samples."""

    is_mean, higher_is_better, against = False, True, "targets"

    def measure(self, outputs: Any, targets: Any) -> list[float]:
        return [float(value) for value in np.asarray(outputs)[:, 0]]

    def aggregate(self, items: Any) -> float:
        return float(np.mean(items))


def test_without_items_the_interval_is_of_resamples() -> None:
    found = ovquant.evaluate(noisy(), data=DATA, metric=First(), reference=linear(), seed=1)
    assert found.method == "bootstrap"
    other = ovquant.evaluate(noisy(), data=DATA, metric=First(), reference=linear(), seed=2)
    assert (found.drop, found.low) != (other.drop, other.low)
    alone = ovquant.evaluate(noisy(), data=DATA, metric=First())
    assert (alone.evaluation.items, alone.evaluation.replicates) == (None, None)


def test_what_compares_with_float_needs_a_reference() -> None:
    unlabelled = [Sample(sample.inputs) for sample in DATA]
    assert ovquant.evaluate(linear(), data=unlabelled, metric="fidelity", reference=linear()).drop == 0
    with pytest.raises(MetricError, match="give it with --reference"):
        ovquant.evaluate(linear(), data=unlabelled, metric="fidelity")


def test_progress_says_which_of_the_two_is_scored() -> None:
    told: list[tuple[str, int, int]] = []
    ovquant.evaluate(
        linear(), data=DATA, metric="accuracy", reference=linear(), progress=lambda *what: told.append(what)
    )
    assert [what for what in told if what[1] == 80] == [("evaluating", 80, 80), ("reference", 80, 80)]


def test_both_are_compiled_as_the_options_ask() -> None:
    with pytest.raises(DeviceError, match="no device 'TOASTER'"):
        ovquant.evaluate("nowhere.xml", data=DATA, metric="accuracy", device="TOASTER")
    with pytest.raises(DeviceError, match="no property 'COLOUR'"):
        ovquant.evaluate(linear(), data=DATA, metric="accuracy", properties={"COLOUR": "red"})
    assert ovquant.evaluate(linear(), data=DATA, metric="accuracy", reference=linear(), batch=16).drop == 0
    # The batch is the reference's too: else their outputs would not lie side by side.
    assert ovquant.evaluate(linear(), data=DATA, metric="fidelity", reference=linear(), batch=5).drop == 0


def test_one_metric_is_taken() -> None:
    with pytest.raises(UsageError, match="is not a valid metric"):
        ovquant.evaluate(linear(), data=DATA, metric=["accuracy", "fidelity"])


class Changing:
    """Samples that are others each time they are read."""

    reads = 0

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Sample:
        self.reads += 1
        return Sample(np.full(1024, self.reads, np.float32), 0)


def test_data_that_change_are_refused() -> None:
    with pytest.raises(ovquant.DataError, match="has other inputs each time it is read"):
        ovquant.evaluate(linear(), data=Changing(), metric="accuracy")
