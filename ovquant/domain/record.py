"""Which files of a folder ovquant wrote: nothing else is ever deleted.

Each folder that ovquant writes holds a record of the files in it and their checksums. A result without a record was written
by an earlier version, and is known by the names that this one wrote.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from hashlib import file_digest
from pathlib import Path
from typing import Any, Literal

from ovquant.domain.checks import CHECKS
from ovquant.domain.files import written
from ovquant.domain.typed import read_json, typed

RECORD = ".ovquant.json"
"""The name of the record in its folder."""
GROWING = ("profile.jsonl", CHECKS)
"""The files that ovquant appends to after it has written a result."""
MODEL_FILES = ("model.xml", "model.bin", "plan.json")
NUMBERS = "plan.safetensors"
"""The file beside a plan with the numbers that were trained, where some were."""
TAUGHT = "taught.json"
"""The file beside a model that was built, while a run goes on, which says how."""
_EARLIER = {*MODEL_FILES, "result.json", "compile.json", "profile.jsonl", CHECKS, "report.html", "report.md"}
_EARLIER_FRONT = re.compile(rf"pareto/\d+/({'|'.join(map(re.escape, MODEL_FILES))})")
Kind = Literal["run", "result", "export"]


@dataclass(frozen=True)
class FileFacts:
    """What a file was when it was written."""

    sha256: str
    size_bytes: int

    @classmethod
    def of(cls, path: Path) -> "FileFacts":
        """Return the facts of a file as it is now."""
        with path.open("rb") as file:
            return cls(file_digest(file, "sha256").hexdigest(), path.stat().st_size)

    def fit(self, path: Path) -> bool:
        """Tell whether a file is still the one that was written."""
        if path.is_symlink() or not path.is_file() or path.stat().st_size != self.size_bytes:
            return False
        return FileFacts.of(path) == self


@dataclass(frozen=True)
class Record:
    """What ovquant wrote into a folder: a run's work so far, a result or an export; its files by their path in it."""

    kind: Kind
    files: Mapping[str, FileFacts] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Put the record into its folder."""
        with written(folder / RECORD) as partial:
            partial.write_text(json.dumps({"ovquant": 1, **asdict(self)}, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def of(cls, kind: Kind, folder: Path, names: Iterable[str] | None = None) -> "Record":
        """Return the record of files in a folder as they are now, of all by default."""
        chosen = sorted(entries(folder) if names is None else names)
        return cls(kind, {name: FileFacts.of(folder / name) for name in chosen if (folder / name).is_file()})

    @classmethod
    def read(cls, folder: Path) -> "Record | None":
        """Return the record of a folder, or None where ovquant left none."""
        try:
            values: dict[str, Any] = read_json((folder / RECORD).read_text(encoding="utf-8"))
            if values["ovquant"] != 1 or any(_leaves(name) for name in values["files"]):
                return None
            return cls(values["kind"], {name: typed(FileFacts, facts) for name, facts in values["files"].items()})
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None


def _leaves(name: str) -> bool:
    """Tell whether a path leads out of its folder."""
    return Path(name).is_absolute() or ".." in Path(name).parts


def entries(folder: Path) -> Iterator[str]:
    """Yield what is in a folder by its path there, the record aside: files and links, and folders that hold nothing."""
    for place, folders, files in os.walk(folder):
        inside = Path(place).relative_to(folder)
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        for name in (*files, *links):
            if (inside / name).as_posix() != RECORD:
                yield (inside / name).as_posix()
        if not folders and not files and Path(place) != folder:
            yield inside.as_posix()


def is_result(folder: Path) -> bool:
    """Tell whether a folder holds a finished result of ovquant's, of an earlier version too."""
    try:
        values = read_json((folder / "result.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(values, dict) and {"schema", "verdict", "trial", "budget"} <= values.keys()


def is_export(folder: Path) -> bool:
    """Tell whether a folder is an export that ovquant wrote."""
    record = Record.read(folder)
    return record is not None and record.kind == "export"


def is_run(folder: Path) -> bool:
    """Tell whether a folder holds a run that was not finished, of an earlier version too: that one has a profile alone."""
    if Record.read(folder) is not None:
        return True
    try:
        with (folder / "profile.jsonl").open(encoding="utf-8") as file:
            entry = read_json(file.readline())
    except (OSError, ValueError):
        return False
    return isinstance(entry, dict) and {"schema", "kind", "key", "value"} <= entry.keys()


def own(folder: Path) -> set[str]:
    """Return which entries of a folder ovquant wrote and nobody has changed since."""
    record = Record.read(folder)
    if record is not None:
        kept = {name for name, facts in record.files.items() if name in GROWING or facts.fit(folder / name)}
        # It is begun by the first check, after the record was written.
        return kept | ({CHECKS} if (folder / CHECKS).is_file() else set())
    found = set(entries(folder))
    if is_result(folder):
        return {name for name in found if name in _EARLIER or _EARLIER_FRONT.fullmatch(name)}
    # The folder of one plan.
    return found if found - {NUMBERS} == set(MODEL_FILES) else set()


def strangers(folder: Path) -> list[str]:
    """Return which entries of a folder ovquant did not write, or are not any more as it wrote them."""
    return sorted(set(entries(folder)) - own(folder))


def edited(folder: Path) -> list[str]:
    """Return which files that ovquant wrote into a folder were changed since."""
    record = Record.read(folder)
    return [] if record is None else sorted(set(strangers(folder)) & record.files.keys())
