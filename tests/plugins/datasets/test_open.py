"""Which dataset a path, a name or a reference means."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ovquant.errors import DataError, UnknownPluginError, UsageError
from ovquant.plugins.datasets import open_dataset
from ovquant.plugins.datasets.npz import Npz
from ovquant.plugins.protocols import DatasetReader
from ovquant.plugins.registry import Registry

SOURCES = """
from dataclasses import dataclass
import numpy as np
from ovquant.protocols import Sample

@dataclass(frozen=True)
class Ramp:
    length: int = 3
    step: float = 1.0
    def __len__(self):
        return self.length
    def __getitem__(self, index):
        return Sample(np.array([index * self.step]), index)

class Plain:
    def __init__(self, length: int, flag: bool = False):
        self.length, self.flag = length, flag
    def __len__(self):
        return self.length
    def __getitem__(self, index):
        return np.zeros(2), self.flag

def pairs(length: int = 2):
    return [(np.ones(2), 5)] * length

def stream(length: int = 2):
    for index in range(length):
        yield np.ones(2), index

def anything(**options):
    return [np.zeros(2)] * len(options)

def failing():
    raise OSError("the disk is gone")

arrays = (np.zeros((4, 2)), [1, 2, 3, 4])
number = 3
"""


@pytest.fixture
def npz(tmp_path: Path) -> Path:
    np.savez(tmp_path / "d.npz", inputs=np.zeros((4, 2)), targets=np.arange(4))
    return tmp_path / "d.npz"


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    (tmp_path / "sources.py").write_text(SOURCES)
    return tmp_path / "sources.py"


def test_registered_kinds_fit_the_protocol(npz: Path) -> None:
    assert {"audio", "images", "npz", "text"} <= set(Registry("datasets").working())
    assert isinstance(Npz(npz), DatasetReader)
    assert not any(item.problem for item in Registry("datasets").listings())


def test_path_as_text_path_and_kind(npz: Path) -> None:
    for source in (npz, str(npz), f"npz:path={npz}"):
        data = open_dataset(source)
        assert (type(data), len(data)) == (Npz, 4)


def test_path_with_colon_and_equals_sign(tmp_path: Path, npz: Path) -> None:
    folder = tmp_path / "run:lr=0.1,b=2"
    folder.mkdir()
    npz.rename(folder / "d.npz")
    assert len(open_dataset(str(folder / "d.npz"))) == 4


def test_dataset_is_returned_as_it_is(npz: Path) -> None:
    data = Npz(npz)
    assert open_dataset(data) is data


def test_options_of_a_kind_without_any_are_refused(npz: Path) -> None:
    with pytest.raises(UsageError, match="d.npz' .npz. has no option 'size'"):
        open_dataset(f"{npz}:size=3")


@pytest.mark.parametrize(
    ("name", "length", "target"),
    [
        ("Ramp", 3, 0),
        ("Ramp:length=5,step=0.5", 5, 0),
        ("Plain:length=2,flag=yes", 2, True),
        ("pairs", 2, 5),
        ("pairs:length=7", 7, 5),
        ("stream:length=3", 3, 0),
        ("anything:a=1,b=2", 2, None),
        ("arrays", 4, 1),
    ],
)
def test_references(sources: Path, name: str, length: int, target: object) -> None:
    data = open_dataset(f"{sources}:{name}")
    assert len(data) == length
    assert data[0].target == target
    assert isinstance(data[0].inputs, np.ndarray)


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("failing", DataError, "OSError: the disk is gone"),
        ("number", DataError, "sources.py:number' is a int, which cannot be read as data"),
        ("pairs:length=0", DataError, "is empty"),
        ("pairs:width=3", UsageError, "no option 'width'. Its options: length"),
        ("pairs:length=x", UsageError, "not int"),
        ("Ramp:width=3", UsageError, "no option 'width'"),
        ("Plain", DataError, "missing 1 required"),
        ("arrays:length=3", UsageError, "takes no options"),
        ("absent", UsageError, "no 'absent'"),
    ],
)
def test_references_that_cannot_be_used(sources: Path, name: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        open_dataset(f"{sources}:{name}")


def test_module_reference(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources.rename(sources.with_name("ovquant_test_sources.py"))
    monkeypatch.syspath_prepend(str(sources.parent))
    assert len(open_dataset("ovquant_test_sources:pairs")) == 2


@pytest.mark.parametrize("source", ["absent.npz", "absent", "absent/folder:size=3", "absent.npz:size=3"])
def test_missing_path_is_named(source: str) -> None:
    with pytest.raises(DataError, match="no data 'absent[^:]*': the path does not exist"):
        open_dataset(source)


def test_missing_path_object_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="absent.npz'"):
        open_dataset(tmp_path / "absent.npz")


def test_path_that_no_kind_reads_lists_the_kinds(tmp_path: Path) -> None:
    (tmp_path / "d.mat").touch()
    with pytest.raises(
        DataError, match="No kind of data reads .*d.mat.*audio: Read a folder.*npz: Read an .npz"
    ) as caught:
        open_dataset(tmp_path / "d.mat")
    assert "\n" not in str(caught.value)


def test_unknown_kind_suggests(npz: Path) -> None:
    with pytest.raises(UnknownPluginError, match="npz"):
        open_dataset(f"npzz:path={npz}")


def test_no_name_is_refused() -> None:
    with pytest.raises(DataError, match="no name"):
        open_dataset("")


@pytest.mark.parametrize(
    ("library", "extra", "call"),
    [
        ("PIL", "vision", "images.read_image(Path('a.png'), preprocessing.Preprocessing())"),
        ("soundfile", "audio", "audio.read_sound(Path('a.wav'))"),
        ("pyarrow", "table", "rows.Parquet(Path('a.parquet'))"),
    ],
)
def test_missing_library_says_what_to_install(library: str, extra: str, call: str) -> None:
    code = (
        f"import sys; sys.modules['{library}'] = None\n"
        "from pathlib import Path\n"
        "from ovquant.plugins.datasets import audio, images, preprocessing, rows\n"
        "from ovquant.errors import DataError\n"
        f"try: {call}\n"
        "except DataError as error: print(error)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f"pip install ovquant[{extra}]" in found.stdout
