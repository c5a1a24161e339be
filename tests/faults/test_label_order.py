"""Labels in another order than the model's, and images that are not scaled, are told of."""

from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops
from PIL import Image

import ovquant
from ovquant.errors import DataError, MetricError
from tests.api.models import QUICK

NAMES = ("zebra", "cow", "ant", "bee")
"""In the order of the model's outputs."""
HERE: dict[str, Any] = {**QUICK, "max_drop": "10%", "isolate": False}


def model(scale: float = 1.0) -> openvino.Model:
    """Return image[?,3,16,16] → how like each quarter of the range it is."""
    port = ops.parameter([-1, 3, 16, 16], np.float32, name="image")
    port.output(0).get_tensor().set_names({"image"})
    kernel = np.zeros((4, 3, 16, 16), np.float32)
    kernel += np.arange(4, dtype=np.float32)[:, None, None, None] * 2 / 768
    bright = ops.reshape(
        ops.convolution(port, ops.constant(kernel), [1, 1], [0, 0], [0, 0], [1, 1]), ops.constant([0, 4]), True
    )
    centres = np.array([[(2 * place * 0.125 + 0.125) ** 2 * 4 - 0.0625 * 4 / 4 for place in range(4)]], np.float32)
    scores = ops.subtract(bright, ops.constant(centres * scale))
    made = openvino.Model([scores], [port], "quarters")
    made.outputs[0].get_tensor().set_names({"scores"})
    return made


def folders(root: Path, names: tuple[str, ...] = NAMES, count: int = 30) -> Path:
    random = np.random.default_rng(0)
    for place, name in enumerate(names):
        (root / name).mkdir(parents=True)
        for number in range(count):
            pixels = random.integers(64 * place, 64 * place + 64, (16, 16, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number}.png")
    return root


def test_the_numbers_of_labels_and_a_score_of_guessing_are_told(tmp_path: Path) -> None:
    data = folders(tmp_path / "data")
    found = ovquant.evaluate(model(), data=data, metric="accuracy")
    assert found.notes[0].startswith("Labels, in sorted order: ant 0, bee 1, cow 2, zebra 3. If the model's order")
    assert "cannot be told from guessing among the 4 classes of the data (0.25)" in found.notes[1]
    given = ovquant.evaluate(model(), data=f"{data}:classes={';'.join(NAMES)}", metric="accuracy")
    assert given.notes == ("Labels: zebra 0, cow 1, ant 2, bee 3.",)
    assert given.evaluation.score > 0.9
    with pytest.raises(
        MetricError, match="scores 0, so a drop relative to it has no meaning.*guessing among the 4 classes"
    ):
        ovquant.quantize(model(), data=data, metric="accuracy", **HERE)
    one = f"{data}:classes={';'.join((NAMES[0], *sorted(NAMES[1:])))}"
    notes = ovquant.quantize(model(), data=one, metric="accuracy", **HERE).notes
    assert [note for note in notes if note.startswith("Labels: zebra 0, ant 1, bee 2, cow 3")]
    assert [
        note for note in notes if note.startswith("The float model scores") and "guessing among the 4 classes" in note
    ]


def test_images_that_are_not_scaled_are_named_beside_a_score_of_guessing_alone(tmp_path: Path) -> None:
    data = f"{folders(tmp_path / 'data')}:classes={';'.join(NAMES)},dtype=uint8"
    (_, note) = ovquant.evaluate(model(), data=data, metric="accuracy").notes
    assert "guessing" in note
    assert "hold whole numbers from 0 to 255, and nothing scales them" in note
    fine = ovquant.evaluate(model(255.0), data=data, metric="accuracy")
    assert fine.evaluation.score > 0.9
    assert len(fine.notes) == 1


def test_images_that_are_not_scaled_are_a_note_where_no_label_would_show_it(tmp_path: Path) -> None:
    data = f"{folders(tmp_path / 'data')}:dtype=uint8"
    notes = ovquant.quantize(model(), data=data, metric="fidelity", **HERE).notes
    assert len([note for note in notes if "hold whole numbers from 0 to 255" in note]) == 1


def test_a_holdout_without_a_class_is_refused(tmp_path: Path) -> None:
    data, holdout = folders(tmp_path / "data"), folders(tmp_path / "holdout", NAMES[:2])
    with pytest.raises(DataError, match="'cow' is 2 in --data and 0 in --holdout.*classes=a;b;c"):
        ovquant.quantize(model(), data=data, holdout=holdout, metric="accuracy", **HERE)
