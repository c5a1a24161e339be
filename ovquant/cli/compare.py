"""The command `compare`: saved results side by side."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ovquant.cli import options
from ovquant.cli.errors import guarded
from ovquant.cli.text import details, note_rows, print_json, show, table_of
from ovquant.plugins.reports.figures import decimal, file_size, interval, milliseconds

if TYPE_CHECKING:
    from ovquant.api.compare import Compared


def compare(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="DIR...", help="Set the results in these folders side by side.", show_default=False),
    ],
    as_json: options.AsJson = False,
) -> None:
    """Set saved results side by side, and say in what their circumstances differ."""
    with guarded(as_json=as_json):
        import ovquant

        found = ovquant.compare(folders)
    show_compared(found, as_json=as_json)


def show_compared(found: "Compared", *, as_json: bool) -> None:
    """Print results side by side."""
    if as_json:
        print_json("compare", {"results": found.results, "notes": found.notes})
        return
    columns = dict.fromkeys(("", *found.results), True) | {"": False}
    told = [_column(one) for one in found.results.values()]
    show(table_of("", columns, [[name, *(column[name] for column in told)] for name in told[0]]))
    if found.notes:
        show(details(note_rows(found.notes)))


def _column(one: Mapping[str, Any]) -> dict[str, str]:
    """Return what is told of one result, from top to bottom."""
    speed = "" if one["speedup"] is None else f"{one['speedup']:.2f}×"
    return {
        "verdict": one["verdict"],
        "plan": one["plan"],
        "budget": one["budget"],
        "metric": one["metric"],
        "drop on the holdout": _number(one["drop"]),
        "95 % interval": interval(one["drop_low"], one["drop_high"]),
        "allowed": _number(one["allowed_drop"]),
        "speed-up over float": speed,
        "95 % interval of it": interval(one["speedup_low"], one["speedup_high"]),
        "p50": "" if one["latency_ms"] is None else milliseconds(one["latency_ms"]),
        "size": file_size(one["size_bytes"]),
        "memory when served": "" if one["memory_bytes"] is None else file_size(one["memory_bytes"]),
        "device": one["device"],
    }


def _number(value: float | None) -> str:
    return "" if value is None else decimal(value)
