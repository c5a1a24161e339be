"""The instruction sets are the processor's own flags."""

from pathlib import Path

import pytest

from ovquant.runtime import processor


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "processor : 0\nflags : fpu avx512_vnni avx2 avx512f sse\nflags : amx_int8\n",
            ("avx2", "avx512f", "avx512_vnni"),
        ),
        (
            "flags : amx_fp16 amx_bf16 amx_int8 avx512_fp16 avx512_bf16 avx512_vnni avx512f avx_vnni avx2\n",
            (
                "avx2",
                "avx_vnni",
                "avx512f",
                "avx512_vnni",
                "avx512_bf16",
                "avx512_fp16",
                "amx_int8",
                "amx_bf16",
                "amx_fp16",
            ),
        ),
        ("Features : asimd i8mm bf16\n", ()),
        (None, ()),
    ],
    ids=["some", "all", "another architecture", "another system"],
)
def test_instructions_are_those_of_the_first_processor_in_the_kernels_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, expected: tuple[str, ...]
) -> None:
    if text is not None:
        (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(processor, "Path", lambda _: tmp_path / "cpuinfo")
    assert processor.instructions() == expected


def test_the_kernels_list_of_this_machine_is_read() -> None:
    source = Path("/proc/cpuinfo")
    known = set(source.read_text().split()) if source.exists() else set()
    assert set(processor.instructions()) <= known
    assert ("avx2" in known) == ("avx2" in processor.instructions())
