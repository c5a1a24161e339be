"""The processor's own flags."""

from pathlib import Path

WANTED = (
    "avx2",
    "avx_vnni",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "amx_int8",
    "amx_bf16",
    "amx_fp16",
)
"""The matrix and vector instruction sets that matter to int8 and float."""


def instructions() -> tuple[str, ...]:
    """Return those of the instruction sets in WANTED that the processor has, from the kernel's list."""
    source = Path("/proc/cpuinfo")
    if not source.exists():
        return ()
    flags = next((line for line in source.read_text().splitlines() if line.startswith("flags")), "").split()
    return tuple(name for name in WANTED if name in flags)
