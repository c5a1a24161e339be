"""Inside a running application: the drop-in Core, recording of requests, and a guard."""

from ovquant.live.core import Core, NotServedWarning, compile_model
from ovquant.live.guard import DriftError, DriftWarning, GuardedModel, guard
from ovquant.live.queue import AsyncInferQueue
from ovquant.live.record import RecordedModel, record

__all__ = [
    "AsyncInferQueue",
    "Core",
    "DriftError",
    "DriftWarning",
    "GuardedModel",
    "NotServedWarning",
    "RecordedModel",
    "compile_model",
    "guard",
    "record",
]
