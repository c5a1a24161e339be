"""What a user gives as an executor."""

from dataclasses import dataclass
from typing import Any

import pytest

from ovquant.errors import UnknownPluginError, UsageError
from ovquant.plugins.executors import LOCAL, resolve_executor
from ovquant.plugins.registry import Registry


@dataclass(frozen=True)
class Far:
    """One that has an address, and takes a number for it."""

    address: str = ""
    wait: float = 1.0

    @staticmethod
    def taking(given: object) -> "Far | None":
        return Far(f"number {given}") if isinstance(given, int) else None

    def gather(self, job: Any) -> None:
        return


@pytest.fixture(autouse=True)
def far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Registry, "names", lambda _: ["far", "local"])
    monkeypatch.setattr(Registry, "get", lambda _, name: {"far": Far, "local": type(LOCAL)}[name])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("local", LOCAL),
        ("far", Far()),
        ("far:tcp://host:8786", Far("tcp://host:8786")),
        ("far:tcp://host:8786,wait=3", Far("tcp://host:8786", 3.0)),
        ("far:wait=3", Far(wait=3.0)),
        (Far("own"), Far("own")),
        (7, Far("number 7")),
    ],
)
def test_it_is_named_made_or_taken(given: Any, expected: Any) -> None:
    assert resolve_executor(given) == expected


def test_what_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="A list is no executor"):
        resolve_executor([])


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(Registry, "_points", lambda _: [])
    with pytest.raises(UnknownPluginError, match="pip install ./plugins/ovquant-dask"):
        resolve_executor("dask")
