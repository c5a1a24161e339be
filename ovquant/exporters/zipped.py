"""Export a result as one zip file."""

import hashlib
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

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
        files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in left_out)
        names = {path: path.relative_to(folder).as_posix() for path in files}
        sums = {names[path]: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f"{target.name}.partial")
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(MANIFEST, json.dumps({"sha256": sums}, indent=2) + "\n")
            for path in files:
                archive.write(path, names[path])
        partial.replace(target)
