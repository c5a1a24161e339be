"""Follow docs/how-to.md from top to bottom, on small models: each command that it has ends as it says."""

import os
import re
import shlex
from pathlib import Path

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from tests.cli import models
from tests.forked import command

PAGE = Path(__file__).resolve().parents[1] / "docs" / "how-to.md"
ANSWERS = (0, 3, 4)
"""Exit codes of a run that came to an answer; which one depends on a net this small."""


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def detector() -> openvino.Model:
    """Return a net that finds squares of 8 pixels: one row of the output for each place that they may begin."""
    image = ops.parameter([1, 3, 32, 32], np.float32, name="image")
    image.output(0).set_names({"image"})
    kernel = np.full((1, 3, 8, 8), 1 / (3 * 64), np.float32)
    found = ops.convolution(image, ops.constant(kernel), [1, 1], [0, 0], [0, 0], [1, 1])
    score = ops.reshape(found, ops.constant(np.array([1, 1, 625])), special_zero=False)
    # Only a whole square is one.
    sure = ops.relu(ops.subtract(score, ops.constant(np.full((1, 1, 1), 0.95, np.float32))))
    y, x = np.mgrid[0:25, 0:25].reshape(2, -1)
    size = np.full(625, 8)
    places = ops.constant(np.stack([x + 4, y + 4, size, size])[None].astype(np.float32))
    rows = ops.concat([places, ops.multiply(sure, ops.constant(np.full((1, 1, 1), 20.0, np.float32)))], 1)
    rows.output(0).set_names({"rows"})
    return openvino.Model([rows], [image], "detector")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("how-to")
    images = models.samples((3, 16, 16), 400, 3)
    model, data = models.write(made, models.image_net(), {"image": images})
    for suffix in (".xml", ".bin"):
        model.with_suffix(suffix).rename(made / f"model{suffix}")
    data.rename(made / "val.npz")
    np.savez(made / "inputs.npz", image=images)
    openvino.save_model(detector(), made / "detector.xml", compress_to_fp16=False)
    for block in blocks("python"):
        name = re.match(r"# (\w+\.py)\n", block)
        assert name, "a block of Python begins with the name of its file"
        (made / name[1]).write_text(block, encoding="utf-8")
    return made


def test_every_command_ends_with_an_answer(folder: Path) -> None:
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    assert len(lines) >= 8
    for line in lines:
        arguments = [word.replace(".onnx", ".xml") for word in shlex.split(line, comments=True)[1:]]
        # One trial, judged by size: the time of a net this small is noise.
        quick = ["--max-trials", "1", "--optimize", "size"] if arguments[0] == "quantize" else []
        ended = command([*arguments, *quick], folder, dict(os.environ), timeout=240)
        assert ended.code in ANSWERS, f"{line}\n{ended.err}"
    for name in ("out", "boxes", "net", "loose"):
        assert (folder / name / "report.html").exists()
