"""Import the libraries that only some kinds of data need."""

import importlib
from types import ModuleType

from ovquant.errors import DataError


def import_extra(module: str, extra: str) -> ModuleType:
    """Import a library; raise DataError naming the extra to install when it cannot be."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        library = module.partition(".")[0]
        raise DataError(
            f"This data needs the library {library}, which cannot be imported ({error}). "
            f"Install it: pip install ovquant[{extra}]."
        ) from error
