"""The command line and the small models of tests/cli, for the faults that were seen in real use (docs/faults.md)."""

from tests.cli.conftest import dynamic, net, run

__all__ = ["dynamic", "net", "run"]
