"""The real command line in a process of its own, and small real models and data for it."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
from jsonschema import Draft202012Validator

from ovquant.cli.documents import schema_of
from tests.cli import models
from tests.forked import Ended, command

QUICK = ("--strategy", "first", "--recipe", "default", "--optimize", "size")
"""One recipe, judged by size: what it gains does not depend on the machine or its noise."""


@dataclass(frozen=True)
class Ran(Ended):
    """What a command left behind."""

    @property
    def json(self) -> Any:
        """Return the document that was printed, which is as its schema says and has no other fields."""
        found = json.loads(self.out)
        Draft202012Validator(closed(schema_of(found["document"]))).validate(found)
        return found


@dataclass(frozen=True)
class Case:
    """A model file, its data, and the arrays in them."""

    model: Path
    data: Path

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        with np.load(self.data) as file:
            return dict(file)


Run = Callable[..., Ran]


def closed(schema: Any) -> Any:
    """Return a schema that allows no fields but those that it names."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: closed(value) for name, value in schema.items()}
    return {**found, "additionalProperties": False} if isinstance(found.get("properties"), dict) else found


def ovquant(*arguments: object, folder: Path, **environment: str) -> Ran:
    # COLUMNS keeps the messages of typer on one line.
    ended = command(list(map(str, arguments)), folder, {**os.environ, "COLUMNS": "200", **environment}, timeout=240)
    print(ended.err)  # shown with a test that fails
    return Ran(**vars(ended))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run ovquant in the test's own folder."""
    return lambda *arguments, **environment: ovquant(*arguments, folder=tmp_path, **environment)


@pytest.fixture(scope="session")
def net(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Four convolutions and 400 images."""
    return Case(*models.write(tmp_path_factory.mktemp("net"), models.image_net(), {"image": images()}))


@pytest.fixture(scope="session")
def dynamic(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """The same with dynamic batch, height and width."""
    model = models.image_net(dynamic=True)
    return Case(*models.write(tmp_path_factory.mktemp("dynamic"), model, {"image": images()}))


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A model with two inputs, neither of them an image."""
    arrays = {"left": models.samples((4, 48), 240, 6), "right": models.samples((4, 48), 240, 7)}
    return Case(*models.write(tmp_path_factory.mktemp("pair"), models.pair_net(), arrays))


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, net: Case) -> tuple[Path, Ran]:
    """A finished run with --json, and the folder it wrote."""
    folder = tmp_path_factory.mktemp("finished")
    asked = ("--data", net.data, "--metric", "accuracy", "--max-drop", "2%", "-o", "out", "--json")
    return folder / "out", ovquant("quantize", net.model, *asked, *QUICK, folder=folder)


def images(count: int = 400) -> np.ndarray:
    return models.samples((3, 16, 16), count, 5)


def save(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)
    return path


def float_score(case: Case) -> float:
    """Return the accuracy of a model file on its data."""
    arrays = case.arrays
    targets = arrays.pop("targets")
    rows = [[values[index][None] for values in arrays.values()] for index in range(len(targets))]
    return float(np.mean(models.outputs(openvino.Core().read_model(case.model), rows).argmax(axis=1) == targets))
