"""Folders as ovquant leaves them, written by hand."""

import json
from pathlib import Path

from ovquant.domain.record import Kind, Record


def record_folder(place: Path, kind: Kind, **files: str) -> Path:
    """Write files into a folder, and the record of them; a name's last underscore is its dot."""
    place.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (place / ".".join(name.rsplit("_", 1))).write_text(text)
    Record.of(kind, place).write(place)
    return place


def result_folder(place: Path, **files: str) -> Path:
    """Write what is known as a finished result, with its record."""
    text = json.dumps({"schema": 2, "verdict": "met", "trial": {}, "budget": {}})
    return record_folder(place, "result", result_json=text, **files)


def content(folder: Path) -> dict[str, str]:
    """Return the texts of all files in a folder, by their path in it."""
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}
