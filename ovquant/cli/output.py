"""Write results to standard output, as JSON or as rich tables."""

import json
import math
import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table

PIPED_WIDTH = 140
"""Columns of a table that goes to a file or a pipe, where there is no terminal to ask."""


def print_json(document: Any, file: Any = None) -> None:
    """Print one JSON document."""
    print(json.dumps(plain(document), indent=2, ensure_ascii=False), file=file or sys.stdout)


def plain(value: Any) -> Any:
    """Return a value with what JSON has no word for as null: infinities and NaN."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, str | int | bool) else str(value)


def show(*parts: RenderableType) -> None:
    """Print texts and tables for a person; where no terminal is, no line ends in spaces."""
    terminal = sys.stdout.isatty()
    console = Console(file=sys.stdout, width=None if terminal else PIPED_WIDTH, highlight=False, emoji=False)
    with console.capture() as captured:
        for part in parts:
            # The terminal breaks long lines itself: a command that is printed can be copied whole.
            console.print(part, markup=False, soft_wrap=isinstance(part, str))
    text = captured.get()
    sys.stdout.write(text if terminal else "".join(f"{line.rstrip()}\n" for line in text.splitlines()))


def facts(rows: Mapping[str, str]) -> Table:
    """Return a table of two columns, names and values, without lines; empty values are left out."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows.items():
        if value:
            table.add_row(name, value)
    return table


def table_of(title: str, columns: Mapping[str, bool], rows: list[list[str]]) -> Table:
    """Return a table; `columns` maps a heading to whether the column is right-aligned."""
    table = Table(title=title or None, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    for heading, right in columns.items():
        table.add_column(heading, justify="right" if right else "left", header_style="dim", overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table
