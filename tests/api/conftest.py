"""A classifier on disk, and a result that was made from it once for all tests of this folder."""

import shutil
from pathlib import Path

import openvino
import pytest

import ovquant
from tests.api.models import QUICK, linear, samples


@pytest.fixture(scope="session")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of the classifier."""
    path = tmp_path_factory.mktemp("net") / "linear.xml"
    openvino.save_model(linear(), path, compress_to_fp16=False)
    return path


@pytest.fixture(scope="session")
def found(net: Path, tmp_path_factory: pytest.TempPathFactory) -> ovquant.Result:
    """Return a result in a folder; a test that changes something takes a copy."""
    how = {**QUICK, "seed": 3, "command": "ovquant quantize linear.xml"}
    output = tmp_path_factory.mktemp("found") / "out"
    return ovquant.quantize(net, data=samples(200), metric="accuracy", max_drop="10%", output=output, **how)


@pytest.fixture
def folder(found: ovquant.Result, tmp_path: Path) -> Path:
    """Return a copy of the result's folder, to be changed."""
    return shutil.copytree(found.folder, tmp_path / "out")
