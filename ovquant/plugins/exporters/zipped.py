"""Export a result as one zip file."""

import hashlib
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

from ovquant.domain.place import new_file

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Zip:
    """Pack the result into one zip file with a manifest of SHA-256 checksums; the measurements are left out.

    measurements: pack profile.jsonl too, which `ovquant plan` reads and which can be large.
    """

    measurements: bool = False

    def export(self, folder: Path, target: Path) -> None:
        """Write the zip file."""
        left_out = () if self.measurements else ("profile.jsonl",)
        # A model under another name is there already.
        again = {file.stat().st_ino: file for file in map(folder.joinpath, ("model.xml", "model.bin"))}
        files = sorted(
            path
            for path in folder.rglob("*")
            if path.is_file() and path.name not in left_out and again.get(path.stat().st_ino, path) == path
        )
        names = {path: path.relative_to(folder).as_posix() for path in files}
        sums = {names[path]: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
        with new_file(target, self.wrote) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(MANIFEST, json.dumps({"sha256": sums}, indent=2) + "\n")
            for path in files:
                archive.write(path, names[path])

    def wrote(self, target: Path) -> bool:
        """Tell whether a file is such a zip, and nobody has changed it since."""
        try:
            with zipfile.ZipFile(target) as archive:
                sums = json.loads(archive.read(MANIFEST))["sha256"]
                whole = {*sums, MANIFEST} == set(archive.namelist())
                return whole and all(hashlib.sha256(archive.read(name)).hexdigest() == sums[name] for name in sums)
        except (OSError, KeyError, TypeError, ValueError, zipfile.BadZipFile):
            return False
