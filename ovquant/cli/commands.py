"""The command line as it was typed, so that a result can be made again."""

import shlex
import sys


def typed() -> str:
    """Return this run's command line."""
    return shlex.join(["ovquant", *sys.argv[1:]])
