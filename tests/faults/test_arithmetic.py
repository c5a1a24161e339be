"""A result holds for the int8 arithmetic that it was measured with: exact, or saturating at 16 bits (fault 17).

Which of the two a machine has cannot be chosen, but for the saturating one, which ONEDNN_MAX_CPU_ISA brings about on any x86
machine. So results are marked as measured with the other one in their files, and both ways are walked everywhere.
"""

import json
import os
import platform
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
import torch

import ovquant
from ovquant.live.core import NotServedWarning
from ovquant.runtime import int8_arithmetic
from tests.cli.conftest import Case, Run

HERE = int8_arithmetic("CPU")
ELSEWHERE = {"exact": "saturating", "saturating": "exact"}[HERE]
SATURATING = {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"}
ASKED = ("--metric", "accuracy", "--max-drop", "2%", "--strategy", "first", "--recipe", "default", "--optimize", "size")


@pytest.fixture
def store(run: Run, net: Case, tmp_path: Path) -> Path:
    """A store with one result, measured here."""
    ran = run("quantize", net.model, "--data", net.data, *ASKED, "-o", "store/net", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["device"]["int8"] == HERE
    return tmp_path / "store"


def mark(folder: Path, int8: str) -> None:
    """Mark a result as measured with an arithmetic, in the file that says so."""
    values = json.loads((folder / "result.json").read_text())
    values["device"]["int8"] = int8
    (folder / "result.json").write_text(json.dumps(values))


def served(store: Path, model: Path) -> tuple[bool, list[str]]:
    """Return whether ovquant.Core serves the quantized model, and what it warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        compiled = ovquant.Core(store=store).compile_model(str(model), "CPU")
    kinds = [node.get_rt_info()["runtimePrecision"].astype(str) for node in compiled.get_runtime_model().get_ops()]
    return bool({"u8", "i8"} & set(kinds)), [str(item.message) for item in caught]


def test_a_result_is_served_where_it_was_measured(store: Path, net: Case) -> None:
    assert served(store, net.model) == (True, [])


def test_elsewhere_float_is_served_until_a_check_has_passed(run: Run, store: Path, net: Case) -> None:
    mark(store / "net", ELSEWHERE)
    quantized, (message,) = served(store, net.model)
    assert not quantized
    assert f"products are {ELSEWHERE}, and here they are {HERE}" in message
    assert f"ovquant check {store / 'net'}" in message
    check = ("check", store / "net", "--data", net.data, "--reference", net.model)
    ran = run(*check)
    assert ran.code == 0, ran.err
    assert f"Sums of int8 products are {HERE} here" in ran.out
    assert served(store, net.model) == (True, [])
    # A later one that finds the model outside takes that back.
    targets = net.arrays["targets"] + (np.arange(len(net.arrays["targets"])) % 2)
    np.savez(store.parent / "wrong.npz", image=net.arrays["image"], targets=targets)
    values = json.loads((store / "net" / "result.json").read_text())
    values["budget"]["floor"] = 0.99
    (store / "net" / "result.json").write_text(json.dumps(values))
    missed = run("check", store / "net", "--data", "wrong.npz", "--reference", net.model)
    assert missed.code == 3, missed.err
    assert not served(store, net.model)[0]


def test_a_check_of_another_model_unlocks_nothing(run: Run, store: Path, net: Case) -> None:
    mark(store / "net", ELSEWHERE)
    lines = {"int8": HERE, "model_digest": "0" * 16, "verdict": "met", "time": ""}
    (store / "net" / "checks.jsonl").write_text(json.dumps(lines) + "\n")
    assert not served(store, net.model)[0]


def test_an_older_result_is_told_by_its_instructions(store: Path, net: Case) -> None:
    values = json.loads((store / "net" / "result.json").read_text())
    del values["device"]["int8"]
    values["device"]["instructions"] = ["avx2"] if HERE == "exact" else ["avx512_vnni"]
    (store / "net" / "result.json").write_text(json.dumps(values))
    assert not served(store, net.model)[0]


def test_the_saved_model_and_compile_json_carry_it(store: Path) -> None:
    model = openvino.Core().read_model(store / "net" / "model.xml")
    assert model.get_rt_info(["ovquant", "int8"]).astype(str) == HERE
    assert json.loads((store / "net" / "compile.json").read_text())["int8"] == HERE


def test_a_guard_serves_float_where_the_arithmetic_is_another(store: Path, net: Case) -> None:
    mark(store / "net", ELSEWHERE)
    float_model = openvino.Core().compile_model(str(net.model), "CPU")
    image = net.arrays["image"][:1]
    plainly = openvino.Core().compile_model(str(store / "net" / "model.xml"), "CPU")
    marked = openvino.Core().read_model(store / "net" / "model.xml")
    marked.set_friendly_name(marked.get_friendly_name().replace(HERE, ELSEWHERE))
    foreign = openvino.Core().compile_model(marked, "CPU")
    for quantized, how in (
        (ovquant.Result.load(store / "net").compile(), {}),
        (plainly, {"result": store / "net"}),
        (foreign, {}),
    ):
        with pytest.warns(NotServedWarning, match="ovquant check"):
            guarded = ovquant.guard(quantized, float_model, limit=0.5, **how)
        assert np.array_equal(guarded(image)[0], float_model(image)[0])
        guarded.guard.close()
    # Where it was measured like here the guard watches the quantized model.
    mark(store / "net", HERE)
    for quantized in (ovquant.Result.load(store / "net").compile(), plainly):
        watched = ovquant.guard(quantized, float_model, limit=0.5)
        assert np.array_equal(watched(image)[0], plainly(image)[0])
        watched.guard.close()


def test_torch_compile_runs_the_graph_where_the_arithmetic_is_another(tmp_path: Path) -> None:
    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = torch.nn.Linear(128, 512), torch.nn.Linear(512, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.two(torch.nn.functional.relu(self.one(x)))

    torch.manual_seed(0)
    module = Net().eval()
    rows = torch.randn(200, 128)
    data: Any = [(row.numpy(), int(module(row[None]).argmax())) for row in rows]
    how = {"strategy": "first", "recipes": ["default"], "optimize": "size", "output": tmp_path / "store" / "net"}
    made = ovquant.quantize((module, rows[:1]), data=data, metric="accuracy", max_drop="10%", **how)
    assert made.plan.runs_int8
    mark(made.folder, ELSEWHERE)
    compiled = torch.compile(module, backend="ovquant", options={"store": str(tmp_path / "store")})
    with torch.no_grad(), pytest.warns(NotServedWarning, match="ovquant check"):
        compiled(rows[:1])
    with torch.no_grad():
        assert torch.equal(compiled(rows[1:2]), module(rows[1:2]))


@pytest.mark.parametrize("limited", [False, True])
def test_both_ways_are_run_in_processes_of_their_own(store: Path, net: Case, limited: bool) -> None:
    """With the variable the arithmetic saturates, whatever the machine: then a result of an exact one is not served."""
    program = f"""
        import sys, warnings
        import openvino, ovquant
        from ovquant.runtime import int8_arithmetic
        warnings.simplefilter("ignore")
        compiled = ovquant.Core(store={str(store)!r}).compile_model({str(net.model)!r}, "CPU")
        nodes = compiled.get_runtime_model().get_ops()
        kinds = {{node.get_rt_info()["runtimePrecision"].astype(str) for node in nodes}}
        print(int8_arithmetic("CPU"), bool({{"u8", "i8"}} & kinds))
    """
    environment = {**os.environ, **(SATURATING if limited else {})}
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    arithmetic, quantized = done.stdout.split()
    on_x86 = platform.machine() in ("x86_64", "AMD64")
    assert arithmetic == ("saturating" if limited and on_x86 else HERE)
    assert quantized == str(arithmetic == HERE)


def test_devices_shows_it(run: Run) -> None:
    ran = run("devices", "--json", **SATURATING)
    assert ran.code == 0, ran.err
    (found,) = [device for device in ran.json["devices"] if device["device"] == "CPU"]
    assert found["int8"] == ("saturating" if platform.machine() in ("x86_64", "AMD64") else HERE)
    assert found["int8"] in run("devices", **SATURATING).out
