"""Find the files of a folder and their targets: class folders, or a .csv with the columns file and target."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ovquant.errors import DataError
from ovquant.plugins.datasets.arrays import named
from ovquant.plugins.datasets.rows import open_rows
from ovquant.plugins.datasets.targets import TargetType, learn_encoding


@dataclass(frozen=True)
class LabelledFile:
    """One file of a folder and its target, or None; `row` is its line of the table that lists it.

    `label` is the text that the target is the index of, if it is one.
    """

    path: Path
    target: Any = None
    row: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""


def column_of(files: Sequence[LabelledFile], name: str, where: Path) -> list[Any]:
    """Return a column of the table that lists the files, or `folder`, the name of each one's folder."""
    known = {key: True for file in files for key in file.row} | {"folder": True}
    named(known, name, f"'{where}'", "Add it to the .csv that lists the files.")
    return [file.row.get(name, file.path.parent.name if name == "folder" else None) for file in files]


def labels_in(files: Sequence[LabelledFile]) -> dict[str, int]:
    """Return the index of each label that files have."""
    return {file.label: file.target for file in files if file.label}


def holds_files(folder: Path, suffixes: Sequence[str]) -> bool:
    """Tell whether a folder has such a file in it or in one of its folders; stops at the first one."""
    if not folder.is_dir():
        return False
    return any(True for place in (folder, *_folders(folder)) for _ in _files(place, suffixes))


def labelled_files(
    folder: Path,
    suffixes: Sequence[str],
    *,
    targets: str = "",
    target_type: TargetType = "auto",
    classes: tuple[str, ...] = (),
) -> list[LabelledFile]:
    """Return the files of a folder with their targets, in a fixed order.

    With a .csv (`targets`, or the only one in the folder): the files it lists, in its order. Without: the files
    of class folders, whose index is their place in `classes` or among the sorted names; or else the files of
    the folder itself, without targets. Raises DataError for whatever is missing or ambiguous.
    """
    if not folder.is_dir():
        raise DataError(f"The data folder '{folder}' does not exist. Check the path.")
    table = find_table(folder, targets)
    if table is not None:
        return listed_files(folder, table, target_type, classes)
    direct = sorted(_files(folder, suffixes))
    class_folders = [place for place in _folders(folder) if any(True for _ in _walk(place, suffixes))]
    if direct and class_folders:
        raise DataError(
            f"'{folder}' holds both files ({direct[0].name}) and folders of files ({class_folders[0].name}). "
            "Keep only class folders, or list the files in a .csv with the columns file and target."
        )
    if class_folders and not classes:
        refuse_empty_classes(folder, class_folders)
    found = [LabelledFile(path) for path in direct] or _class_files(folder, class_folders, suffixes, classes)
    if not found:
        raise DataError(f"'{folder}' holds no files with the suffixes {', '.join(suffixes)}. Check the path.")
    return found


def find_table(folder: Path, asked: str) -> Path | None:
    """Return the .csv with the targets: the one asked for (in the folder or anywhere), or the only one there."""
    if asked:
        places = [folder / asked, Path(asked)]
        for place in places:
            if place.is_file():
                return place
        raise DataError(f"The targets file '{asked}' is neither in '{folder}' nor a path. Check targets=.")
    found = sorted(folder.glob("*.csv"))
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise DataError(f"'{folder}' holds several .csv files: {names}. Say which has the targets with targets=NAME.")
    return found[0] if found else None


def listed_files(folder: Path, table: Path, target_type: TargetType, classes: tuple[str, ...]) -> list[LabelledFile]:
    """Return the files that a .csv with the columns file and, optionally, target lists."""
    rows = open_rows(table)
    if "file" not in rows.columns:
        raise DataError(
            f"'{table}' has no column 'file'; its columns: {', '.join(rows.columns)}. "
            "Name the columns file and target in its first line."
        )
    listed = [rows[index] for index in range(len(rows))]
    values = (row.get("target") for row in listed)
    encoding = learn_encoding(values, target_type, classes=classes, otherwise="text", name=f"'{table}'")
    found = []
    for index, row in enumerate(listed):
        name = row["file"]
        path = folder / name
        if not _is_within(folder, name):
            raise DataError(
                f"Row {index} of '{table}' names the file '{name:.200}', which is not in '{folder}'. Correct it."
            )
        try:
            label = row.get("target") or "" if encoding.classes else ""
            found.append(LabelledFile(path, encoding(row.get("target")), row, label))
        except DataError as error:
            raise DataError(f"Row {index} of '{table}': {error}") from error
    return found


def _is_within(folder: Path, name: str) -> bool:
    """Tell whether a name is that of a file in a folder or below, and leads nowhere else."""
    try:
        return not Path(name).is_absolute() and ".." not in Path(name).parts and (folder / name).is_file()
    except (OSError, ValueError):
        return False


def refuse_empty_classes(folder: Path, class_folders: Sequence[Path]) -> None:
    """Raise DataError for a folder without files among class folders: leaving it out would shift every index."""
    empty = [place.name for place in _folders(folder) if place not in class_folders]
    if empty:
        raise DataError(
            f"The folder '{empty[0]}' of '{folder}' holds no files, so the class indices are in doubt. "
            "Remove it, or give the classes in the order of their indices with classes=a;b;c."
        )


def _class_files(
    folder: Path, class_folders: Sequence[Path], suffixes: Sequence[str], classes: tuple[str, ...]
) -> list[LabelledFile]:
    order = {name: index for index, name in enumerate(classes or (place.name for place in class_folders))}
    unknown = [place.name for place in class_folders if place.name not in order]
    if unknown:
        raise DataError(
            f"The folder '{unknown[0]}' of '{folder}' is none of the classes {', '.join(order)}. "
            "Add it to classes=, or move it away."
        )
    return [
        LabelledFile(path, order[place.name], label=place.name)
        for place in class_folders
        for path in sorted(_walk(place, suffixes))
    ]


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _files(folder: Path, suffixes: Sequence[str]) -> Iterator[Path]:
    return (
        path
        for path in folder.iterdir()
        if path.suffix.lower() in suffixes and not path.name.startswith(".") and path.is_file()
    )


def _walk(folder: Path, suffixes: Sequence[str]) -> Iterator[Path]:
    for place, _, names in os.walk(folder, followlinks=True):
        for name in names:
            if Path(name).suffix.lower() in suffixes and not name.startswith("."):
                yield Path(place) / name
