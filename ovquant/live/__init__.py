"""Inside a running application: the drop-in Core, recording of requests, and a guard."""

from ovquant.live.core import Core, NotServedWarning, compile_model
from ovquant.live.guarded import GuardedModel
from ovquant.live.guarding import DriftError, DriftWarning, guard
from ovquant.live.queues import AsyncInferQueue
from ovquant.live.recording import RecordedModel, record

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
