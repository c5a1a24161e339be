"""Every built-in executor is held to the contract."""

from typing import Any

import pytest

from ovquant.plugins.executors import resolve_executor
from ovquant.protocols import Executor
from ovquant.testing import ExecutorContract

EXECUTORS = ("local",)


class TestBuiltIn(ExecutorContract):
    @pytest.fixture(params=EXECUTORS)
    def executor(self, request: pytest.FixtureRequest) -> Executor:
        return resolve_executor(request.param)


def test_local_has_no_team() -> None:
    given: Any = None
    assert resolve_executor("local").gather(given) is None
