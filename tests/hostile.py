"""Change files at random, and see that whoever reads them answers or says what is wrong: `python tests/hostile.py [N] [KIND ...]`.

Each reader gets N changed copies of a good file, 5,000 unless given: bytes changed, cut out, doubled and put in, and in JSON
values of other types in place of any. What is neither read nor refused by an OvquantError is printed, with the seed that makes
it again. Models are read in a process that can be lost.
"""

import json
import random
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pyarrow.parquet
import soundfile
from PIL import Image

import ovquant
from ovquant.api.plan import plan
from ovquant.domain.plan import Plan
from ovquant.domain.progress import silent
from ovquant.domain.record import Record
from ovquant.errors import LostError, OvquantError
from ovquant.graph.fingerprint import fingerprint
from ovquant.live.store import read_store
from ovquant.measure.worker import Worker
from ovquant.plugins.datasets.audio import Audio
from ovquant.plugins.datasets.images import Images
from ovquant.plugins.datasets.npz import Npz
from ovquant.plugins.datasets.recorded import Recorded
from ovquant.plugins.datasets.rows import open_rows
from ovquant.plugins.loaders import load_model

BEFORE = Path(__file__).parent / "written_before"
SECONDS, MODELS = 20.0, f"{__name__ if __name__ != '__main__' else 'tests.hostile'}:Models"
Read = Callable[[Path], Any]
ODD: list[Any] = [
    None,
    True,
    -1,
    0,
    10**30,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "text",
    "\x1b[31m",
    [],
    {},
    [[]],
    {"a": None},
]


def everything(data: Any) -> Any:
    """Read all samples of a dataset."""
    return [data[place] for place in range(len(data))]


def loaded(path: Path) -> None:
    """Load a result, and look it up as an application does."""
    result = ovquant.Result.load(path.parent)
    result.require_whole()


def stored(path: Path) -> Any:
    """Read a store, whose broken results are left out."""
    return read_store(path.parent)


def solved(path: Path) -> Any:
    """Solve a profile for a budget."""
    return plan(path, max_drop="5%")


def marked(path: Path) -> Any:
    """Read the record of a folder that ovquant wrote."""
    return Record.read(path.parent)


class Models:
    """What the other process holds: it reads models."""

    def __init__(self, progress: Any) -> None:
        del progress

    def read(self, path: Path) -> str:
        """Read a model and all that is in it."""
        return fingerprint(load_model(str(path)))


def samples(folder: Path) -> dict[str, tuple[Path, Read]]:
    """Write a good file of each kind, and return it with its reader."""
    folder.mkdir()
    shutil.copytree(BEFORE / "result", folder / "result")
    shutil.copy2(BEFORE / "profiled.jsonl", folder)
    Record.of("result", folder / "result").write(folder / "result")
    np.savez(folder / "data.npz", x=np.ones((4, 3), np.float32), targets=np.arange(4))
    np.savez_compressed(folder / "small.npz", x=np.ones((4, 3), np.float32), targets=np.arange(4))
    rows = [{"text": f"word {place}", "target": place % 2} for place in range(6)]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "rows.csv").write_text("text,target\n" + "\n".join(f"{row['text']},{row['target']}" for row in rows))
    pictures, sounds, calibration = folder / "pictures", folder / "sounds", folder / "calibration"
    for place in ("a", "b"):
        (pictures / place).mkdir(parents=True)
        Image.fromarray(np.full((8, 8, 3), 80, np.uint8)).save(pictures / place / "one.png")
    (pictures / "preprocessing.toml").write_text('size = [8, 8]\nmean = [0.5, 0.5, 0.5]\nlayout = "nhwc"\n')
    sounds.mkdir()
    soundfile.write(sounds / "one.wav", np.zeros(400), 8000)
    (sounds / "targets.csv").write_text("file,target\none.wav,yes\n")
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "rows.parquet")
    compiled = ovquant.record(openvino.Core().compile_model(BEFORE / "net.xml", "CPU"), calibration, n=2)
    compiled(
        [
            np.zeros([size if size > 0 else 1 for size in port.get_partial_shape().get_max_shape()], np.float32)
            for port in compiled.inputs
        ]
    )
    compiled.recorder.close()
    kinds: dict[str, tuple[Path, Read]] = {
        "record": (folder / "result" / ".ovquant.json", marked),
        "csv": (folder / "rows.csv", lambda path: everything(open_rows(path))),
        "jsonl": (folder / "rows.jsonl", lambda path: everything(open_rows(path))),
        "parquet": (folder / "rows.parquet", lambda path: everything(open_rows(path))),
        "image": (pictures / "a" / "one.png", lambda _: everything(Images(pictures))),
        "preprocessing": (pictures / "preprocessing.toml", lambda _: everything(Images(pictures))),
        "sound": (sounds / "one.wav", lambda _: everything(Audio(sounds))),
        "table": (sounds / "targets.csv", lambda _: everything(Audio(sounds))),
        "recording": (next(calibration.glob("*.json")), lambda _: everything(Recorded(calibration))),
        "plan": (folder / "result" / "plan.json", Plan.load),
        "result": (folder / "result" / "result.json", loaded),
        "store": (folder / "result" / "result.json", stored),
        "profile": (folder / "profiled.jsonl", solved),
        "npz": (folder / "data.npz", lambda path: everything(Npz(path))),
        "npz, compressed": (folder / "small.npz", lambda path: everything(Npz(path))),
    }
    return kinds


def changed(content: bytes, dice: random.Random, *, structured: bool) -> bytes:
    """Return a file's bytes with one thing changed."""
    if structured and dice.random() < 0.6:
        return _other_value(content, dice)
    data = bytearray(content)
    for _ in range(dice.choice((1, 1, 1, 4, 16))):
        begin = dice.randrange(len(data) + 1)
        end = min(len(data), begin + dice.choice((1, 1, 4, 64, 1024)))
        match dice.randrange(4):
            case 0:
                data[begin:end] = dice.randbytes(end - begin)
            case 1:
                del data[begin:end]
            case 2:
                data[begin:begin] = data[begin:end]
            case _:
                data[begin:begin] = dice.choice(
                    (b"\x00", b"\xff", b"\n", b"{", b"]", b"\xed\xa0\x80", b"9" * 400, b"[" * 5000)
                )
    return bytes(data)


def _other_value(content: bytes, dice: random.Random) -> bytes:
    lines = content.split(b"\n")
    whole = dice.randrange(len(lines)) if len(lines) > 1 and content.startswith(b'{"') else None
    values = json.loads(content if whole is None else lines[whole] or b"{}")
    places = list(_places(values))
    if places:
        parent, key = dice.choice(places)
        parent[key] = dice.choice(ODD)
    text = json.dumps(values).encode()
    if whole is None:
        return text
    lines[whole] = text
    return b"\n".join(lines)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(items):
        yield value, key
        yield from _places(item)


class Reader:
    """Reads models in a process, a new one after it was lost."""

    def __init__(self) -> None:
        self._worker = Worker(MODELS, silent)

    def __call__(self, path: Path) -> Any:
        if self._worker.closed:
            self._worker = Worker(MODELS, silent)
        return self._worker.call("read", path.with_suffix(".xml"), limit=SECONDS)

    def close(self) -> None:
        """End the process."""
        self._worker.close()


def models(folder: Path, read: Read) -> dict[str, tuple[Path, Read]]:
    """Write good model files."""
    openvino.save_model(openvino.Core().read_model(BEFORE / "net.xml"), folder / "net.xml")
    return {"model": (folder / "net.xml", read), "weights": (folder / "net.bin", read)}


def tried(path: Path, read: Read, count: int, seed: int = 0) -> list[str]:
    """Read so many changed copies of a file; return what was not answered as it should be."""
    content, found = path.read_bytes(), []
    for number in range(count):
        dice = random.Random(f"{path.name} {seed} {number}")
        path.write_bytes(changed(content, dice, structured=path.suffix in (".json", ".jsonl")))
        try:
            read(path)
        except LostError as error:
            found.append(f"{number}: lost: {error}")
        except OvquantError:
            pass
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            found.append(
                f"{number}: {type(error).__name__}: {str(error)[:100]} ({Path(where.filename).name}:{where.lineno})"
            )
    path.write_bytes(content)
    return found


def main() -> None:
    """Try all kinds, or those named."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    with tempfile.TemporaryDirectory() as folder, closing(Reader()) as reader:
        kinds = samples(Path(folder) / "files")
        kinds |= models(Path(folder), reader)
        for name in sys.argv[2:] or kinds:
            found = tried(*kinds[name], count)
            print(f"{name}: {count - len(found)} of {count} answered", flush=True)
            seen = set()
            for line in found:
                cause = line.partition(": ")[2]
                if cause not in seen:
                    seen.add(cause)
                    print(f"    {line}", flush=True)


if __name__ == "__main__":
    main()
