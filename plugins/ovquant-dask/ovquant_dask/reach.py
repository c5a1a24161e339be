"""A whole search on a worker that stands for a machine, by the name that it was started with."""

import contextlib
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any
from uuid import uuid4

from distributed import Client, KilledWorker
from distributed.client import FutureCancelledError

from ovquant.errors import ExecutorError, OvquantError
from ovquant_dask import tasks as there
from ovquant_dask.team import TAG, TICK_SECONDS, VERSIONS, tagged

Told = Callable[[str, int, int], None]


def versions() -> dict[str, str]:
    """Return the versions that must be the same on a machine."""
    return {name: version(name) for name in VERSIONS}


def call_on(client: Client, machine: str, what: tuple[str, bytes, Any], told: Told, wait: float) -> bytes:
    """Have a function called on a machine, and return its value; what: `module:name`, what it is given, and the executor.

    wait: how many seconds the machine may be away. Raises ExecutorError where it is away for longer, and what the function raises.
    """
    workers, topic = _found(client, machine, wait), f"ovquant-{uuid4().hex}"
    client.subscribe_topic(topic, lambda event: told(*event[1]))
    future = client.submit(
        there.whole,
        *what,
        topic,
        versions(),
        workers=workers,
        resources={f"{TAG}{machine}": 1},
        allow_other_workers=False,
        pure=False,
    )
    try:
        while future.status == "pending":
            with contextlib.suppress(TimeoutError):
                future.result(timeout=TICK_SECONDS)
            if future.status == "pending":
                _found(client, machine, wait)
        value: bytes = future.result()
        return value
    except (KilledWorker, FutureCancelledError) as error:
        raise ExecutorError(f"The machine '{machine}' was lost while it searched: {error}") from error
    except OvquantError:
        raise
    except Exception as error:
        raise ExecutorError(
            f"The machine '{machine}' could not search: {type(error).__name__}: {error}. Install there what is installed here: ovquant, "
            "ovquant-dask, and other plugins that the command names."
        ) from error
    finally:
        # It notices that nobody waits for it any more.
        with contextlib.suppress(Exception):
            future.cancel(force=True)
            client.unsubscribe_topic(topic)


def _found(client: Client, machine: str, wait: float) -> list[str]:
    """Return the workers of a machine, waiting for one; raises ExecutorError where none comes."""
    end = time.monotonic() + wait
    while True:
        try:
            known = tagged(client)
        except Exception as error:
            raise ExecutorError(f"The Dask scheduler is gone: {error}") from error
        found = [address for address, names in known.items() if machine in names]
        if found:
            return found
        if time.monotonic() > end:
            others = sorted({name for names in known.values() for name in names})
            are = f" Those that are there: {', '.join(others)}." if others else ""
            address = client.scheduler_info()["address"]
            raise ExecutorError(
                f"No worker was started as the machine '{machine}'.{are} Start one there: dask worker {address} "
                f'--nthreads 1 --resources "{TAG}{machine}=1"'
            )
        time.sleep(TICK_SECONDS)
