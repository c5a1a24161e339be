"""Inside a running application: the drop-in Core."""

from ovquant.live.core import Core, NotServedWarning, compile_model

__all__ = ["Core", "NotServedWarning", "compile_model"]
