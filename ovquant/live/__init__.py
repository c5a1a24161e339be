"""Inside a running application: the drop-in Core, and recording of requests."""

from ovquant.live.core import Core, NotServedWarning, compile_model
from ovquant.live.recording import AsyncInferQueue, RecordedModel, record

__all__ = ["AsyncInferQueue", "Core", "NotServedWarning", "RecordedModel", "compile_model", "record"]
