"""Searches on machines by name, on an executor whose machines are this one."""

from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import ovquant
from ovquant.api.targets import check_names, pack, quantize_for, unpack
from tests.cli import models

HOW: dict[str, Any] = {
    "metric": "fidelity:by=cosine",
    "max_drop": "50%",
    "recipes": ["weights"],
    "optimize": "size",
    "isolate": False,
}


@dataclass(frozen=True)
class Near:
    """Reaches machines of any name, all of which are this process."""

    asked: list[str] = field(default_factory=list)

    def gather(self, job: Any) -> None:
        """Have scores taken by the process that measures."""

    def call(self, machine: str, function: str, given: bytes, progress: Any) -> bytes:
        self.asked.append(machine)
        module, _, name = function.partition(":")
        # Only this process's own executor may go without another process.
        found: bytes = getattr(import_module(module), name)(given, "local", progress)
        return found


@pytest.fixture
def net(tmp_path: Path) -> tuple[Path, Path]:
    return models.write(tmp_path, models.image_net(), {"image": models.samples((3, 16, 16), 80, 3)})


def test_each_has_a_folder_of_its_own_and_takes_what_is_known(net: tuple[Path, Path], tmp_path: Path) -> None:
    told, near = list[str](), Near()
    how = {**HOW, "progress": lambda what, *_: told.append(what)}
    results = quantize_for(["a", "b"], net[0], data=net[1], executor=near, output=tmp_path / "out", **how)
    assert near.asked == ["a", "b"]
    assert [ovquant.Result.load(tmp_path / "out" / name).verdict for name in "ab"] == ["met", "met"]
    assert results["a"].trial.holdout == results["b"].trial.holdout
    assert {what.partition(":")[0] for what in told if "evaluating" in what} == {"a"}
    assert results["a"].trial.timing != results["b"].trial.timing
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a", "b"]


def test_a_result_that_is_there_is_told_before_anything_is_asked(net: tuple[Path, Path], tmp_path: Path) -> None:
    near = Near()
    quantize_for(["a"], net[0], data=net[1], executor=near, output=tmp_path / "out", **HOW)
    with pytest.raises(ovquant.OutputError, match="already holds a result"):
        quantize_for(["b", "a"], net[0], data=net[1], executor=near, output=tmp_path / "out", **HOW)
    assert near.asked == ["a"]


def test_what_goes_wrong_on_one_leaves_nothing_of_it(net: tuple[Path, Path], tmp_path: Path) -> None:
    how = {**HOW, "recipes": ["no-such-recipe"]}
    with pytest.raises(ovquant.UsageError, match="^On the machine 'a': .*no-such-recipe"):
        quantize_for(["a"], net[0], data=net[1], executor=Near(), output=tmp_path / "out", **how)
    assert not list((tmp_path / "out").glob("*"))


def test_paths_are_those_of_the_machine(
    net: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OVQUANT_SHARED", f"/elsewhere={tmp_path}")
    there = [Path("/elsewhere") / path.relative_to(tmp_path) for path in net]
    result = quantize_for(["a"], there[0], data=there[1], executor=Near(), output=tmp_path / "out", **HOW)["a"]
    assert result.verdict == "met"


@pytest.mark.parametrize("names", [[""], [".."], ["a/b"], ["/a"]])
def test_names_are_those_of_folders(names: list[str]) -> None:
    with pytest.raises(ovquant.UsageError, match="is no name"):
        check_names(names)


def test_a_name_is_given_once() -> None:
    with pytest.raises(ovquant.UsageError, match="twice"):
        check_names(["a", "a"])


def test_only_some_executors_reach_machines() -> None:
    with pytest.raises(ovquant.UsageError, match="--executor dask:ADDRESS"):
        quantize_for(["a"], "model.xml", data="data.npz", executor="local", output="out", **HOW)


def test_a_folder_is_packed_whole(tmp_path: Path) -> None:
    (tmp_path / "one" / "in").mkdir(parents=True)
    (tmp_path / "one" / "in" / "file").write_bytes(b"content")
    (tmp_path / "two").mkdir()
    unpack(pack(tmp_path / "one"), tmp_path / "two")
    assert (tmp_path / "two" / "in" / "file").read_bytes() == b"content"
