"""Whether a saved model is still the one that was measured."""

from hashlib import file_digest, sha256
from pathlib import Path

from ovquant.domain.record import Record
from ovquant.errors import ModelError

MODEL = ("model.xml", "model.bin")
REMEDY = "Take the folder from a copy, or make the result again."
_hashed: dict[Path, tuple[tuple[int, ...], bytes]] = {}
"""The checksums of files by what the system says of them, so that none is read again while it stays as it is."""


def model_digest(folder: Path) -> str:
    """Return a digest of model.xml and model.bin."""
    hasher = sha256()
    for name in MODEL:
        hasher.update(_checksum(folder / name))
    return hasher.hexdigest()[:16]


def _checksum(path: Path) -> bytes:
    key, facts = path.absolute(), path.stat()
    now = (facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
    known = _hashed.get(key)
    if known is not None and known[0] == now:
        return known[1]
    with path.open("rb") as file:
        found = file_digest(file, "sha256").digest()
    _hashed[key] = now, found
    return found


def damage(folder: Path, digest: str) -> str:
    """Say what is wrong with a saved model, and with which of its files; "" where nothing is.

    digest: what `model_digest` was when it was measured; results of earlier versions have none, and pass if they are there.
    """
    broken = _broken(folder)
    if broken:
        return broken
    if not digest or model_digest(folder) == digest:
        return ""
    changed = [name for name in MODEL if name in (record := _facts(folder)) and record[name][0] != _hex(folder / name)]
    return f"{' and '.join(changed) or 'model.xml or model.bin'} is not the one that was measured: it was changed since"


def unusable(folder: Path) -> str:
    """Say which file of a saved model is missing or cut, so that it cannot even be read; "" for none."""
    return _broken(folder)


def _broken(folder: Path) -> str:
    known = _facts(folder)
    for name in MODEL:
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        size = path.stat().st_size
        if not size:
            return f"{name} is empty"
        if name == "model.xml":
            # Another model's can be shorter; this one is written by openvino, and ends with its outermost element.
            if not path.read_bytes()[-64:].rstrip().endswith(b"</net>"):
                return f"{name} is cut: its end is missing"
        # With another model.xml it is another model, whose weights may be fewer.
        elif len(known) == len(MODEL) and size < known[name][1] and _hex(folder / MODEL[0]) == known[MODEL[0]][0]:
            return f"{name} is cut: {size} bytes of {known[name][1]} are left"
    return ""


def _facts(folder: Path) -> dict[str, tuple[str, int]]:
    """Return the checksum and size of the model's files, where a record has them."""
    record = Record.read(folder)
    if record is None:
        return {}
    return {name: (facts.sha256, facts.size_bytes) for name, facts in record.files.items() if name in MODEL}


def _hex(path: Path) -> str:
    return _checksum(path).hex()


def require_whole(folder: Path, digest: str) -> None:
    """Raise ModelError when a saved model is not the one that was measured."""
    found = damage(folder, digest)
    if found:
        raise ModelError(f"The result '{folder}' is damaged: {found}. {REMEDY}")
