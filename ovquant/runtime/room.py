"""How much memory this process can still have: of the machine, of its control group, and of its own limit."""

import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

GROUPS = Path("/proc/self/cgroup")
MOUNTED = Path("/sys/fs/cgroup")
MAPS = Path("/proc/self/maps")
NOT_NEEDED = 4
"""MADV_DONTNEED of madvise(2)."""


def free_bytes() -> int:
    """Return the bytes of memory that can still be taken without swapping or being killed for it."""
    available: int = psutil.virtual_memory().available
    return max(0, min([available, *_of_groups(), *_of_process()]))


def _of_groups() -> Iterator[int]:
    """Yield what each control group that this process is in leaves, those around it included (Linux; both versions)."""
    try:
        lines = GROUPS.read_text().splitlines()
    except OSError:
        return
    for number, controllers, path in (line.split(":", 2) for line in lines):
        if number == "0":
            root, names = MOUNTED, ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            root, names = MOUNTED / "memory", ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        place = root / path.lstrip("/")
        for group in (place, *place.parents):
            yield from _of_group(group, *names)
            if group == root:
                break


def _of_group(group: Path, most: str, used: str, cached: str) -> Iterator[int]:
    try:
        limit = (group / most).read_text().strip()
        if limit != "max":
            # Files that were read count as used, and are let go where memory is short.
            found = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
            yield int(limit) - int((group / used).read_text()) + int(found.get(cached, 0))
    except (OSError, ValueError):
        return


def _of_process() -> Iterator[int]:
    if sys.platform == "win32":
        return
    # Windows has no such module.
    import resource

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY:
        yield limit - psutil.Process().memory_info().vms


def let_go_of_pages(folder: Path) -> None:
    """Let the pages of files in a folder that are mapped for reading leave this process (Linux); what is needed is read again."""
    try:
        lines = MAPS.read_text().splitlines()
    except OSError:
        return
    library = ctypes.CDLL(None)
    for line in lines:
        span, access, _, _, _, *names = line.split(maxsplit=5)
        if access.startswith("r--") and names and Path(names[0]).is_relative_to(folder):
            begin, end = (int(place, 16) for place in span.split("-"))
            library.madvise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), NOT_NEEDED)
