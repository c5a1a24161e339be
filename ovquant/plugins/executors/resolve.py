"""From what a user gives to an executor."""

import re
from typing import Any

from ovquant.errors import UsageError
from ovquant.plugins.protocols import Executor
from ovquant.plugins.registry import Registry


def resolve_executor(given: Any) -> Executor:
    """Return an executor from its name with options, `NAME:ADDRESS`, an executor, or an object that one of them takes.

    Raises UsageError for anything else.
    """
    registry = Registry("executors")
    if isinstance(given, str):
        name, _, rest = given.partition(":")
        plain = bool(rest) and name in registry.names() and re.match(r"\s*\w+\s*=", rest) is None
        given = registry.resolve(f"{name}:address={rest}" if plain else given)
    if isinstance(given, Executor):
        return given
    for plugin in registry.working().values():
        made = getattr(plugin, "taking", lambda _: None)(given)
        if isinstance(made, Executor):
            return made
    raise UsageError(
        f"A {type(given).__name__} is no executor. Give local, dask:ADDRESS (with ovquant-dask installed), or a distributed.Client."
    )
