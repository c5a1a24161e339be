"""What a search would do, at a terminal or as JSON."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ovquant.cli.text import details, note_rows, print_json, seconds_text, show
from ovquant.plugins.reports.figures import milliseconds

if TYPE_CHECKING:
    from ovquant.api.preview import Preview

MOST_TYPES = 6


def show_preview(found: "Preview", output: Path, *, as_json: bool) -> None:
    """Print what would be done and where it would lie."""
    if as_json:
        print_json("preview", {**asdict(found), "output": str(output)})
        return
    counts = {name: count for name, count in found.operations.items() if name != "Constant"}
    types = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    more = f" and {len(types) - MOST_TYPES} more types" if len(types) > MOST_TYPES else ""
    rows = {
        "model": found.model,
        "operations": ", ".join(f"{name} {count}" for name, count in types[:MOST_TYPES]) + more,
        "samples": ", ".join(f"{role} {count:,}" for role, count in found.samples.items()),
        "metrics": ", ".join(found.metrics),
        "budget": found.budget,
        "device": found.device,
        "goal": found.objective,
        "float": f"p50 {milliseconds(found.float_ms)}",
        "first": found.opening,
        "then": "; ".join(recipe for recipe in found.recipes if recipe != found.opening),
        "takes": f"about {seconds_text(found.scoring_seconds)} to score float and one plan; calibrations and the search come on top",
        "output": str(output),
    }
    show("Nothing was searched (--dry-run).", "", details({**rows, **note_rows(found.notes)}))
