"""Import the libraries that only some kinds of data need."""

import importlib
from types import ModuleType
from typing import Any

from ovquant.errors import DataError, MetricError


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


def library(module: str, *, metric: str, extra: str) -> Any:
    """Return the imported module; raise MetricError naming the extra to install when it is missing."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MetricError(
            f"Metric '{metric}' cannot import {module} ({error}). pip install ovquant[{extra}]"
        ) from error
