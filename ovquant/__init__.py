"""The fastest OpenVINO IR for this device that stays inside your accuracy budget, proven on held-out data."""

from importlib.metadata import version

import lazy_loader

# Each public name is imported when it is first used, from where __init__.pyi says: openvino and nncf take seconds to load.
__getattr__, _, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__"]
__version__ = version("ovquant")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
