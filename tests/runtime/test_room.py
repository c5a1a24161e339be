"""Memory that can still be had: the least of what the machine, control groups and the process's own limit leave."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

from ovquant.runtime import free_bytes, let_go_of_pages, room


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(room, "GROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(room, "MOUNTED", tmp_path / "mounted")
    (tmp_path / "cgroup").write_text("")
    return tmp_path / "mounted"


def test_without_limits_it_is_what_the_machine_has(groups: Path) -> None:
    available = psutil.virtual_memory().available
    assert 0.7 * available < free_bytes() < 1.3 * available


@pytest.mark.parametrize("limited", ["inner", ""])
def test_the_tightest_of_nested_groups_counts(groups: Path, limited: str) -> None:
    groups.with_name("cgroup").write_text("0::/outer/inner\n")
    for name, limit in (("", "max"), ("outer", "max"), ("outer/inner", "max")):
        place = groups / name
        place.mkdir(parents=True, exist_ok=True)
        (place / "memory.max").write_text(f"{'10000000' if name.endswith(limited or 'outer') and name else limit}\n")
        (place / "memory.current").write_text("6000000\n")
        (place / "memory.stat").write_text("anon 1\ninactive_file 2000000\n")
    assert free_bytes() == 6_000_000


def test_groups_of_the_first_version_count_too(groups: Path) -> None:
    groups.with_name("cgroup").write_text("5:cpu:/\n4:memory:/a\n0::/\n")
    place = groups / "memory" / "a"
    place.mkdir(parents=True)
    (place / "memory.limit_in_bytes").write_text("5000")
    (place / "memory.usage_in_bytes").write_text("7000")
    (place / "memory.stat").write_text("total_inactive_file 1000\n")
    assert free_bytes() == 0


def test_the_limit_of_the_process_counts() -> None:
    program = """
import resource
from ovquant.runtime import free_bytes
resource.setrlimit(resource.RLIMIT_AS, (8 * 2**30, 8 * 2**30))
print(free_bytes())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert 0 < int(done.stdout) < 8 * 2**30


@pytest.mark.skipif(sys.platform != "linux", reason="what of a file is in memory is told by Linux alone")
def test_pages_of_mapped_files_are_let_go_and_read_again(tmp_path: Path) -> None:
    def resident(path: Path) -> int:
        return sum(item.rss for item in psutil.Process().memory_maps() if item.path == str(path))

    mapped = {}
    for name in ("inside", "beside"):
        path = tmp_path / name / "weights.bin"
        path.parent.mkdir()
        np.arange(2**20, dtype=np.float32).tofile(path)
        mapped[path] = np.memmap(path, np.float32, mode="r")
    sums = [float(values.sum(dtype=np.float64)) for values in mapped.values()]
    assert all(resident(path) >= 2**22 for path in mapped)
    let_go_of_pages(tmp_path / "inside")
    inside, beside = mapped
    assert (resident(inside), resident(beside)) == (0, 2**22)
    assert [float(values.sum(dtype=np.float64)) for values in mapped.values()] == sums
