"""A metric or plugin of the user's is known by its code, its options and its state, whatever its module is called."""

import functools
import importlib
import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from ovquant.plugins.identity import identity
from ovquant.plugins.metrics.classification import F1, Accuracy

Write = Callable[[str, str], ModuleType]

METRIC = """
from dataclasses import dataclass

import numpy as np

import {helper}
from {helper} import best

LEAST = 0.5


def right(outputs, targets):
    return (best(outputs) == best(targets)).astype(float)


def far(outputs, targets):
    return ({helper}.best(outputs) > LEAST).astype(float)


class Right:
    higher_is_better = True

    def __init__(self, least=0.5):
        self.least = least

    def measure(self, outputs, targets):
        return [float(item > self.least) for item in right(outputs, targets)]


@dataclass(frozen=True)
class Options:
    least: float = 0.5

    def measure(self, outputs, targets):
        return right(outputs, targets)
"""
BEST = """
import numpy as np


def best(rows):
    return np.asarray(rows).argmax(-1)
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write a module of the user's and import it, anew where it was imported before."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    written: set[str] = set()

    def make(name: str, source: str) -> ModuleType:
        (tmp_path / f"{name}.py").write_text(source)
        written.add(name)
        sys.modules.pop(name, None)
        importlib.invalidate_caches()
        return importlib.import_module(name)

    yield make
    for name in written:
        sys.modules.pop(name, None)


def metrics(write: Write, name: str = "my_metric", *, best: str = BEST, helper: str = "my_helper") -> Any:
    write(helper, best)
    return write(name, METRIC.format(helper=helper))


NAMED = ["Right", "Options"]


# The user's modules ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["right", "far", "Right", "Options"])
def test_what_is_read_again_is_the_same(write: Write, name: str) -> None:
    before = identity(getattr(metrics(write), name))
    assert identity(getattr(metrics(write), name)) == before
    assert before.startswith(f"{name}#")


@pytest.mark.parametrize("name", ["right", "far", *NAMED])
def test_a_module_that_is_renamed_keeps_the_identity_of_what_is_in_it(write: Write, name: str) -> None:
    before = identity(getattr(metrics(write), name))
    assert identity(getattr(metrics(write, "renamed"), name)) == before


@pytest.mark.parametrize("name", NAMED)
def test_so_does_an_object_of_a_class_in_it(write: Write, name: str) -> None:
    before = identity(getattr(metrics(write), name)(0.7))
    assert identity(getattr(metrics(write, "renamed"), name)(0.7)) == before


@pytest.mark.parametrize("name", ["right", "far", "Right", "Options"])
def test_a_helper_that_changes_makes_another(write: Write, name: str) -> None:
    before = identity(getattr(metrics(write), name))
    assert identity(getattr(metrics(write, best=BEST.replace("argmax", "argmin")), name)) != before


def test_a_helper_of_a_helper_that_changes_makes_another(write: Write) -> None:
    through = "from my_arrays import best\n\nfound = best\n"
    found = []
    for source in (BEST, BEST, BEST.replace("argmax", "argmin")):
        write("my_arrays", source)
        found.append(identity(metrics(write, best=through).right))
    assert found[0] == found[1] != found[2]


def test_another_line_of_the_module_makes_another(write: Write) -> None:
    metric = metrics(write)
    before = identity(metric.far)
    other = write("my_metric", METRIC.format(helper="my_helper").replace("LEAST = 0.5", "LEAST = 0.6"))
    assert identity(other.far) != before


def test_a_value_that_a_function_refers_to_counts_as_it_is_now(write: Write) -> None:
    metric = metrics(write)
    before, unrelated = identity(metric.far), identity(metric.right)
    metric.LEAST = 0.6
    assert identity(metric.far) != before
    assert identity(metric.right) == unrelated


def test_functions_of_one_module_are_told_apart(write: Write) -> None:
    metric = metrics(write)
    assert identity(metric.right).partition("#")[2] != identity(metric.far).partition("#")[2]


def test_a_module_that_imports_itself_ends(write: Write) -> None:
    write("my_helper", BEST)
    source = "import my_metric\nfrom my_helper import best\n\n\ndef again(*rows):\n    return again or my_metric.best\n"
    assert identity(write("my_metric", source).again) == identity(write("my_metric", source).again)


def test_it_is_the_same_in_every_process(write: Write, tmp_path: Path) -> None:
    metric = metrics(write)
    things = {"my_metric.right": metric.right, "my_metric.Right(0.7)": metric.Right(0.7), "np.mean": np.mean}
    things |= {"my_metric.Options(0.7)": metric.Options(0.7), "functools.partial(np.mean, axis=1)": AXIS_1}
    assert elsewhere(tmp_path, *things) == [identity(thing) for thing in things.values()]


AXIS_1 = functools.partial(np.mean, axis=1)


def elsewhere(folder: Path, *expressions: str) -> list[str]:
    """Return the identities of what expressions say, in another process that finds the modules of a folder."""
    lines = [f"print(identity({expression}))" for expression in expressions]
    imports = "import functools, my_metric, numpy as np\nfrom ovquant.plugins.identity import identity"
    command = [sys.executable, "-B", "-c", "\n".join([imports, *lines])]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.splitlines()


MEMBERS = """
import abc
import functools


class Property:
    @property
    def higher_is_better(self):
        return True


class Cached:
    @functools.cached_property
    def higher_is_better(self):
        return True


class Abstract(abc.ABC):
    higher_is_better = True


class Static:
    @staticmethod
    def measure(outputs, targets):
        return 1.0

    @classmethod
    def made(cls):
        return cls()
"""


@pytest.mark.parametrize(
    "name",
    ["Static", "Property", "Cached", "Abstract"],
)
def test_so_it_is_of_a_class_with_members_that_are_no_functions(write: Write, tmp_path: Path, name: str) -> None:
    metric = write("my_metric", MEMBERS)
    assert elsewhere(tmp_path, f"my_metric.{name}()") == [identity(getattr(metric, name)())]


# Options and state -----------------------------------------------------------------------------------------------------


class Threshold:
    """A metric with a state of its own."""

    def __init__(self, least: Any) -> None:
        self.least = least

    def measure(self, outputs: object, targets: list[object]) -> list[Any]:
        return [self.least for _ in targets]


class Stricter(Threshold):
    """Another class with the same state."""


def scaled(factor: float) -> Callable[..., float]:
    return lambda outputs, targets: factor


def doubled(row: float) -> float:
    return 2 * row


def tripled(row: float) -> float:
    return 3 * row


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Threshold(0.5), Threshold(0.6)),
        (Threshold(0.5), Stricter(0.5)),
        (Threshold([1, [2]]), Threshold([1, [3]])),
        (Threshold({"a": 1}), Threshold({"a": 2})),
        (Threshold({"a": 1}), Threshold({"b": 1})),
        (Threshold(np.zeros(3)), Threshold(np.ones(3))),
        (Threshold(Threshold(1)), Threshold(Threshold(2))),
        (Threshold(doubled), Threshold(tripled)),
        (Threshold(0.5).measure, Threshold(0.6).measure),
        (scaled(1.0), scaled(2.0)),
        (functools.partial(doubled, row=1), functools.partial(doubled, row=2)),
        (functools.partial(doubled, 1), functools.partial(doubled, 2)),
        (functools.partial(doubled, 1), functools.partial(tripled, 1)),
        (lambda outputs, targets: 1.0, lambda outputs, targets: 2.0),
        (lambda outputs, targets, least=1: least, lambda outputs, targets, least=2: least),
        (lambda outputs, *, least=1: least, lambda outputs, *, least=2: least),
        (lambda outputs, targets: min(outputs), lambda outputs, targets: max(outputs)),
        (Accuracy(), F1()),
        (F1(), F1(average="micro")),
        (np.mean, np.median),
        (np.mean, math.sqrt),
    ],
)
def test_options_state_and_code_are_told_apart(one: object, other: object) -> None:
    assert identity(one) == identity(one)
    assert identity(one).partition("#")[2] != identity(other).partition("#")[2]


def test_equal_options_and_state_are_the_same() -> None:
    assert identity(Threshold([1, {"a": np.ones(2)}])) == identity(Threshold([1, {"a": np.ones(2)}]))
    assert identity(scaled(1.0)) == identity(scaled(1.0))
    assert identity(functools.partial(doubled, row=1)) == identity(functools.partial(doubled, row=1))
    assert identity(Accuracy()) == identity(Accuracy())


def test_its_name_can_be_read() -> None:
    assert identity(doubled).startswith("doubled#")
    assert identity(Threshold(1)).startswith("Threshold#")
    assert identity(functools.partial(doubled, 1)).startswith("partial doubled#")
    assert identity(Threshold(1).measure).startswith("Threshold.measure#")
    assert len(identity(doubled).partition("#")[2]) == 16


# Installed packages ----------------------------------------------------------------------------------------------------


def test_of_an_installed_package_the_version_counts_and_not_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    before, other = identity(np.mean), identity(doubled)
    monkeypatch.setattr(np, "__version__", "0.0.1")
    assert identity(np.mean) != before
    assert identity(doubled) == other
