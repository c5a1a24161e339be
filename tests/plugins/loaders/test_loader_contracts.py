"""Run the public contract suite on every built-in loader."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
import torch
from openvino import opset13

from ovquant.plugins.registry import Registry
from ovquant.testing import LoaderContract
from tests.plugins.loaders.tensorflow_files import write_saved_model

WEIGHTS = np.arange(6, dtype=np.float32).reshape(3, 2)


def intermediate(folder: Path) -> Path:
    x = opset13.parameter([-1, 3], np.float32, name="x")
    model = openvino.Model([opset13.matmul(x, opset13.constant(WEIGHTS), False, False)], [x], "m")
    openvino.save_model(model, folder / "m.xml")
    return folder / "m.xml"


def saved_model(folder: Path) -> Path:
    return write_saved_model(folder / "saved", WEIGHTS)


def module(folder: Path) -> Any:
    made = torch.nn.Linear(3, 2).eval()
    made.example_input = torch.zeros(1, 3)
    return made


def exported(folder: Path) -> Path:
    program = torch.export.export(torch.nn.Linear(3, 2).eval(), (torch.zeros(1, 3),))
    torch.export.save(program, folder / "m.pt2")
    return folder / "m.pt2"


SOURCES: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "openvino": ("openvino", intermediate),
    "tensorflow": ("tensorflow", saved_model),
    "torch": ("torch", module),
    "torch, exported": ("torch", exported),
}


@pytest.mark.parametrize("case", SOURCES)
class TestBuiltIn(LoaderContract):
    """Every built-in loader."""

    @pytest.fixture
    def loader(self, case: str) -> Any:
        return Registry("loaders").resolve(SOURCES[case][0])

    @pytest.fixture
    def source(self, case: str, tmp_path: Path) -> Any:
        folder = tmp_path / "model"
        folder.mkdir()
        return SOURCES[case][1](folder)
