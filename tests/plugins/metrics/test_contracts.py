"""Run the public contract suite on every built-in metric."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ovquant.domain.sample import Array
from ovquant.plugins.metrics import PerSample, Streaming, resolve_metric
from ovquant.plugins.protocols import Metric
from ovquant.plugins.registry import Registry
from ovquant.testing import MetricCase, MetricContract


def one_hot(ids: Sequence[int], classes: int) -> Array:
    """Return confident scores `[n, classes]` for class ids."""
    return np.eye(classes, dtype=np.float32)[list(ids)]


def boxes(*rows: Sequence[float]) -> Array:
    """Return detections `[1, n, 6]`: x1, y1, x2, y2, score, label."""
    return np.asarray([rows], dtype=np.float32)


def _classes() -> MetricCase:
    return MetricCase(one_hot([0, 1, 2, 1], 3), [0, 1, 2, 1], one_hot([0, 2, 2, 0], 3))


def _numbers() -> MetricCase:
    targets = [1.0, 2.0, 3.0, 5.0]
    return MetricCase(np.array([[1.0], [2.0], [3.0], [5.0]]), targets, np.array([[2.0], [1.5], [3.0], [2.5]]))


def _images() -> MetricCase:
    generator = np.random.default_rng(0)
    images = generator.random((3, 1, 16, 16)).astype(np.float32)
    noisy = np.clip(images + generator.normal(0, 0.2, images.shape), 0, 1).astype(np.float32)
    return MetricCase(images, list(images), noisy)


def _masks() -> MetricCase:
    truth = np.array([[[0, 1], [1, 2]], [[0, 0], [2, 2]], [[1, 1], [0, 2]]])
    scores = np.moveaxis(np.eye(3)[truth], -1, 1)
    return MetricCase(scores, list(truth), np.roll(scores, 1, axis=2))


def _texts() -> MetricCase:
    return MetricCase(
        np.array(["the cat", "a dog", "one bird"]),
        ["the cat", "a dog", "one bird"],
        np.array(["the hat", "a dog", "bird"]),
    )


def _detections() -> MetricCase:
    targets = [{"boxes": [[0, 0, 10, 10]], "labels": [label]} for label in (1, 2, 1)]
    good = [boxes([0, 0, 10, 10, 0.9, label]) for label in (1, 2, 1)]
    bad = [good[0], boxes([5, 5, 15, 15, 0.8, 2]), boxes([0, 0, 10, 9, 0.7, 1], [20, 20, 30, 30, 0.95, 1])]
    return MetricCase(good, targets, bad)


def _tokens() -> MetricCase:
    targets = [np.array([0, 1, 2]), np.array([2, 2, 1]), np.array([1, 0, 0])]
    right = np.stack([np.roll(one_hot(list(target), 3), -1, axis=0) * 9 for target in targets])
    return MetricCase(right, targets, right * 0.3)


def _embeddings() -> MetricCase:
    targets, good, bad = [], [], []
    for row, truth in enumerate(([1.0, 0.0], [0.0, 2.0], [0.0, 1.0])):
        placed = {"row": row, "texts": 3, "truth": truth, "tokens": 1, "left": False}
        targets += [{**placed, "place": place} for place in range(3)]
        good += [[1.0, 0.0], *([1.0, 0.2] if value else [0.3, 1.0] for value in truth)]
        bad += [[1.0, 0.0], *([0.3, 1.0] if value else [1.0, 0.2] for value in truth)]
    return MetricCase(np.array(good), targets, np.array(bad))


def _pairs() -> MetricCase:
    scores, angles = [5.0, 4.0, 2.0, 1.0], [0.1, 0.3, 0.9, 1.4]
    targets = [
        {"row": row, "place": place, "texts": 2, "truth": [score], "tokens": 1, "left": False}
        for row, score in enumerate(scores)
        for place in range(2)
    ]

    def vectors(order: Sequence[float]) -> Array:
        return np.array([vector for angle in order for vector in ([1.0, 0.0], [np.cos(angle), np.sin(angle)])])

    return MetricCase(vectors(angles), targets, vectors([0.9, 0.1, 1.4, 0.3]))


def _choices() -> MetricCase:
    case, places = _tokens(), [(0, True), (0, False), (1, True)]
    targets = [
        {"tokens": tokens, "question": question, "right": right, "choices": 2 if question == 0 else 1}
        for tokens, (question, right) in zip(case.targets, places, strict=True)
    ]
    outputs = np.array(case.outputs)
    outputs[1] = -outputs[1]
    return MetricCase(outputs, targets, -outputs)


def _against_float() -> MetricCase:
    scores = np.random.default_rng(1).normal(size=(4, 5)).astype(np.float32)
    return MetricCase(scores, [scores[index : index + 1] for index in range(4)], scores[:, ::-1].copy())


def _several_outputs() -> MetricCase:
    single = _against_float()
    outputs = {"left": single.outputs, "right": single.outputs}
    return MetricCase(
        outputs,
        [{"left": target, "right": target} for target in single.targets],
        {"left": single.outputs, "right": single.worse},
    )


CASES: dict[str, MetricCase] = {
    "accuracy": _classes(),
    "accuracy:k=2": MetricCase(one_hot([0, 1, 2], 3), [0, 1, 2], -one_hot([0, 1, 2], 3)),
    "accuracy:output=scores": MetricCase(
        {"scores": _classes().outputs, "other": np.zeros((4, 2))},
        _classes().targets,
        {"scores": _classes().worse, "other": np.zeros((4, 2))},
    ),
    "f1": _classes(),
    "f1:average=weighted": _classes(),
    "map": _detections(),
    "map:iou=0.5": _detections(),
    "miou": _masks(),
    "miou:num_classes=3,ignore_index=2": _masks(),
    "cer": _texts(),
    "wer": _texts(),
    "exact": _texts(),
    "exact:ignore_case=true": _texts(),
    "pearson": _numbers(),
    "spearman": _numbers(),
    "mae": _numbers(),
    "rmse": _numbers(),
    "psnr": _images(),
    "psnr:data_range=1": _images(),
    "ssim": _images(),
    "perplexity": _tokens(),
    "perplexity:shift=false": MetricCase(
        np.stack([one_hot([0, 1], 3) * 9] * 3), [np.array([0, 1])] * 3, np.zeros((3, 2, 3), dtype=np.float32)
    ),
    "agreement": _against_float(),
    "ndcg": _embeddings(),
    "recall:k=1": _embeddings(),
    "similarity": _pairs(),
    "choice": _choices(),
    "choice:by=mean": _choices(),
    "fidelity": _against_float(),
    "fidelity:by=cosine": _against_float(),
    "fidelity:by=kl": _several_outputs(),
}


@pytest.mark.parametrize("text", CASES)
class TestBuiltIn(MetricContract):
    """Every built-in metric, with its options as text."""

    @pytest.fixture
    def metric(self, text: str) -> Any:
        return resolve_metric(text)

    @pytest.fixture
    def case(self, text: str) -> MetricCase:
        return CASES[text]


class TestCtcText(MetricContract):
    """Exact match of text decoded from scores."""

    @pytest.fixture
    def metric(self, tmp_path: Path) -> Any:
        path = tmp_path / "characters.txt"
        path.write_text("a\nb\n")
        return resolve_metric(f"exact:characters={path},space=true")

    @pytest.fixture
    def case(self) -> MetricCase:
        outputs = np.stack([one_hot(ids, 4) for ids in ([1, 1, 0, 1], [1, 3, 2, 2], [2, 0, 2, 0])])
        return MetricCase(outputs, ["aa", "a b", "bb"], outputs[:, ::-1].copy())


class RunningMean:
    """A metric object in the style of torchmetrics."""

    def __init__(self) -> None:
        self.hits: list[float] = []

    def update(self, outputs: Array, targets: Array) -> None:
        self.hits += [float(value) for value in outputs.argmax(axis=-1) == targets]

    def compute(self) -> float:
        return sum(self.hits) / len(self.hits)


class TestStreaming(MetricContract):
    """An object with update and compute, behind its adapter."""

    heavy = ()

    @pytest.fixture
    def metric(self) -> Metric:
        return Streaming(RunningMean())

    @pytest.fixture
    def case(self) -> MetricCase:
        return _classes()


def hits(outputs: Any, targets: Sequence[Any]) -> Any:
    """Score each sample of a batch."""
    return outputs.argmax(axis=-1) == np.asarray(targets)


class TestPerSample(MetricContract):
    """A function that scores each sample, behind its adapter."""

    @pytest.fixture
    def metric(self) -> Metric:
        return PerSample(hits)

    @pytest.fixture
    def case(self) -> MetricCase:
        return _classes()


def test_every_registered_metric_has_a_case() -> None:
    own = {listing.name for listing in Registry("metrics").listings() if listing.distribution == "ovquant"}
    assert own == {text.partition(":")[0] for text in CASES}
