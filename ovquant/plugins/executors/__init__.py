"""Where plans are scored: in the process that measures, or by workers elsewhere."""

from ovquant.plugins.executors.local import Local
from ovquant.plugins.executors.resolve import resolve_executor

LOCAL = Local()

__all__ = ["LOCAL", "Local", "resolve_executor"]
