"""Import the library that computes a metric, or say which extra brings it."""

import importlib
from typing import Any

from ovquant.errors import MetricError


def library(module: str, *, metric: str, extra: str) -> Any:
    """Return the imported module; raise MetricError naming the extra to install when it is missing."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MetricError(
            f"Metric '{metric}' cannot import {module} ({error}). pip install ovquant[{extra}]"
        ) from error
