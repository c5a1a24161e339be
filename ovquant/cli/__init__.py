"""The command line: parse, call the public functions, render; each command in a file of its own."""

from ovquant.cli.app import main

__all__ = ["main"]
