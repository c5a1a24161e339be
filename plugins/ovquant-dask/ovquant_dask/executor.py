"""From an address to a team: only workers that answer as the process that measures would."""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dask
from distributed import Client

from ovquant.errors import ExecutorError
from ovquant.protocols import Job
from ovquant_dask.reach import call_on
from ovquant_dask.team import DaskTeam

CONNECTING = 15.0
"""Seconds that a scheduler has to answer."""
START = "dask scheduler --host 127.0.0.1"


@dataclass(frozen=True)
class Dask:
    """Score plans on the workers of a Dask cluster that answer as this machine does.

    `address` is the scheduler's; without one it is that of Dask's own configuration. Dask runs whatever it is sent, so an address other
    than loopback is to be `tls://`, unless `insecure`. `wait` is how many seconds there may be no worker that will do. `security` is a
    `distributed.Security` where Dask's configuration has none, which Python alone can give. `report` is a file that receives Dask's own
    report of what the workers did, an HTML page.
    """

    address: str = ""
    insecure: bool = False
    wait: float = 60.0
    security: Any = None
    report: str = ""

    @staticmethod
    def taking(given: object) -> "Dask | None":
        """Return an executor for an open `distributed.Client`."""
        if not isinstance(given, Client):
            return None
        # It is open, so whoever opened it trusts its scheduler.
        return Dask(given.scheduler_info()["address"], insecure=True, security=given.security)

    def gather(self, job: Job) -> DaskTeam:
        """Return workers that hold what a job says; raises ExecutorError where none can be had."""
        address, client = self._connected()
        team = DaskTeam(client, address, job, self.wait)
        try:
            if self.report:
                team.report(Path(self.report))
            team.refresh()
        except BaseException:
            team.close()
            raise
        return team

    def call(self, machine: str, function: str, given: bytes, progress: Callable[[str, int, int], None]) -> bytes:
        """Return what a function returns on the worker that was started with `--resources "target-MACHINE=1"`."""
        _, client = self._connected()
        with client:
            return call_on(client, machine, (function, given, self), progress, self.wait)

    def _connected(self) -> tuple[str, Client]:
        """Return the scheduler's address and a client of it; raises ExecutorError where there is none, or it is not safe."""
        address = self.address or dask.config.get("scheduler-address", "")
        if not address:
            raise ExecutorError(
                "Dask's configuration names no scheduler. Give its address, as in --executor dask:tcp://127.0.0.1:8786."
            )
        if not (self.insecure or is_safe(address)):
            raise ExecutorError(
                f"'{address}' is not on this machine and not encrypted, and Dask runs whatever it is sent. Use tls://, a tunnel to "
                "loopback, or add insecure=true in a network that you trust."
            )
        try:
            return address, Client(address, timeout=CONNECTING, security=self.security, set_as_default=False)
        except Exception as error:
            raise ExecutorError(
                f"No Dask scheduler answers at '{address}': {error}. Start one with: {START}; and a worker with: "
                f"dask worker {address} --nthreads 1"
            ) from error


def is_safe(address: str) -> bool:
    """Tell whether an address is encrypted, or on this machine."""
    parts = urlsplit(address if "://" in address else f"tcp://{address}")
    if parts.scheme in ("tls", "wss", "inproc") or parts.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False
