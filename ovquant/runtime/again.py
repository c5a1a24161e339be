"""Compile one model over and over: after the first time from what the device made of it, which takes a fraction of the time."""

import io
from collections.abc import Callable, Mapping

import openvino

from ovquant.runtime.batches import Compiled
from ovquant.runtime.compile import Deployment, core
from ovquant.runtime.devices import How, operations_run


class Again:
    """Compiles a model anew at each call.

    A device can write a compiled model and read it back, without the transformations that take most of the time; memory and
    kernels are chosen anew, as when it is compiled. Where what is read back does not run the same operations, or the device
    cannot do it, the model is compiled each time.
    """

    def __init__(self, compile_: Callable[[], Compiled], device: str, properties: Mapping[str, str]) -> None:
        """Take what compiles the model, and where and how that is done."""
        self._compile, self._device, self._properties = compile_, device, dict(properties)
        self._described: Callable[[openvino.CompiledModel], Compiled]
        self._written: bytes | None = None

    @property
    def size(self) -> int:
        """Return the bytes that are held."""
        return len(self._written or b"")

    def __call__(self) -> Compiled:
        """Return the model, compiled anew."""
        if self._written:
            return self._read(self._written)
        compiled = self._compile()
        if self._written is None:
            self._written = self._write(compiled)
        return compiled

    def _write(self, compiled: Compiled) -> bytes:
        """Return what a compiled model is written as, or nothing where it cannot be read back as it was."""
        self._described = compiled.described
        try:
            stream = io.BytesIO()
            compiled.export_model(stream)
            written = stream.getvalue()
            same = counts_run(self._read(written)) == counts_run(compiled)
        except RuntimeError:
            return b""
        return written if same else b""

    def _read(self, written: bytes) -> Compiled:
        return self._described(core().import_model(io.BytesIO(written), self._device, self._properties))


class Repeats:
    """Compiles several models over and over; what it holds of them takes no more than so many bytes, one aside."""

    def __init__(self, most: int = 64 * 2**20) -> None:
        self._most = most
        self._known: dict[str, Again] = {}

    def compile(self, key: str, compile_: Callable[[], Compiled], deployment: Deployment) -> Compiled:
        """Return the model of a key, compiled anew; the first time that is by `compile_`, for a deployment."""
        again = self._known.pop(key, None) or Again(compile_, deployment.device, deployment.properties)
        compiled, self._known[key] = again(), again
        while len(self._known) > 1 and sum(known.size for known in self._known.values()) > self._most:
            # What was compiled last is last.
            del self._known[next(iter(self._known))]
        return compiled


def counts_run(compiled: openvino.CompiledModel) -> dict[How, int]:
    """Return how many operations run at each inference, by how they run."""
    return {how: len(times) for how, times in operations_run(compiled).items()}
