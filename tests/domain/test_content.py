"""Values are known by what they hold: equal content has an equal digest, in every process, and other content another."""

import enum
import os
import re
import threading
from collections import deque
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ovquant.domain.content import content_digest


class Plain:
    """An object with a state of its own."""

    def __init__(self, state: object) -> None:
        self.state = state


class Other(Plain):
    """Another class with the same state."""


@dataclass(frozen=True)
class Options:
    least: float
    most: float = 1.0


class Color(enum.Enum):
    RED = 1
    BLUE = 2


class Named:
    """An object that is pickled by name, as a singleton is."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __reduce__(self) -> str:
        return self.name


def one() -> None: ...


def two() -> None: ...


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.array([1.0, 2.0]), np.array([1.0, 3.0])),
        (np.array([1, 2]), np.array([1.0, 2.0])),
        (np.zeros((2, 3)), np.zeros((3, 2))),
        ({"boxes": np.zeros((1, 4))}, {"boxes": np.ones((1, 4))}),
        (["a", "bc"], ["ab", "c"]),
        ("1", 1),
        (None, "None"),
        (Plain(0.1), Plain(0.2)),
        ([np.array(["a"], dtype=object)], [np.array(["b"], dtype=object)]),
        (True, 1),
        (1, 1.0),
        (b"a", "a"),
        (0.0, -0.0),
        (np.float32(1), np.float64(1)),
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {"b": 1}),
        ({"a": 1, "b": 2}, {"a": 2, "b": 1}),
        ([], {}),
        ([1], {1}),
        ({1, 2}, {1, 3}),
        (Path("a"), Path("b")),
        (Path("a"), "a"),
        (Color.RED, Color.BLUE),
        (np.dtype(np.float32), np.dtype(np.float16)),
        (int, float),
        (Plain(1), Other(1)),
        (Options(0.1), Options(0.2)),
        (Options(0.1), Options(0.1, 2.0)),
        (one, two),
        (deque([1, 2]), deque([1, 3])),
        (Fraction(1, 3), Fraction(2, 3)),
        (range(3), range(4)),
        (re.compile("a"), re.compile("b")),
        (Named("one"), Named("two")),
        (torch.ones(2), torch.zeros(2)),
        (np.array([1, "a"], dtype=object), np.array(["1", "a"], dtype=object)),
    ],
)
def test_what_differs_is_told_apart(one: object, other: object) -> None:
    assert content_digest(one) == content_digest(one)
    assert content_digest(one) != content_digest(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, "b": [2]}, {"b": [2], "a": 1}),
        ({"c", "a", "b"}, {"b", "c", "a"}),
        (np.arange(12).reshape(3, 4).T, np.arange(12).reshape(3, 4).T.copy()),
        (np.arange(10)[::2], np.array([0, 2, 4, 6, 8])),
        (Plain({"weights": np.ones(3)}), Plain({"weights": np.ones(3)})),
        (Options(0.1), Options(0.1, 1.0)),
        (deque([1, 2]), deque([1, 2])),
        ([1, (2, 3)], (1, [2, 3])),
        (torch.arange(3.0, requires_grad=True), np.arange(3, dtype=np.float32)),
        (np.array([1, "a"], dtype=object), np.array([1, "a"], dtype=object)),
    ],
)
def test_equal_content_has_an_equal_digest(one: object, other: object) -> None:
    assert content_digest(one) == content_digest(other)


def test_digests_are_the_same_in_every_process() -> None:
    """Of results that were written before, they say whether these are used again."""
    value = {"boxes": np.arange(4, dtype=np.int32), "names": ["a", None, True, 0.5], "set": {1, 2}}
    assert content_digest(value) == "bb4e2f6244fbeacebe4269fd3ce3ed9d43c460cf9a70c8eb1c114316400f033f"


def ring(*before: Any) -> list[Any]:
    made = list(before)
    made.append(made)
    return made


def test_what_holds_itself_ends() -> None:
    assert content_digest(ring(1)) == content_digest(ring(1))
    assert content_digest(ring(1)) != content_digest(ring(2))
    # One whose first is in its second again, and one whose second is.
    outer: list[Any] = []
    outer.append([outer])
    assert content_digest(outer) != content_digest([ring()])


def test_what_cannot_be_read_equals_itself_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = threading.Lock(), threading.Lock()
    before = content_digest([first])
    assert content_digest([first]) == before
    assert content_digest([second]) != before
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert content_digest([first]) != before


def test_where_that_is_trusted_it_equals_its_like(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = threading.Lock(), threading.Lock()
    before = content_digest([first], trusting=True)
    assert content_digest([second], trusting=True) == before
    assert content_digest([threading.RLock()], trusting=True) != before
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert content_digest([first], trusting=True) == before
