"""What a model is: the precision that is planned for each operation, and the one that it runs in."""

import shutil
from pathlib import Path

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

import ovquant
from ovquant import runtime
from ovquant.api.inspect import _used
from ovquant.errors import DeviceError, ModelError
from ovquant.graph.pins import write_pinned
from ovquant.runtime import Executed, capabilities
from tests.api.models import WIDTH, linear


def test_a_float_model_is_f32_and_has_no_quantizers() -> None:
    found = ovquant.inspect(linear(), properties={"INFERENCE_PRECISION_HINT": "f32"})
    (head,) = found.operations
    assert (head.name, head.type, head.planned, head.executed, head.quantizers) == ("head", "MatMul", "f32", "f32", ())
    assert head.primitive.startswith("FullyConnected")
    assert found.planned == {"f32": 1}
    assert found.model == "linear"
    assert found.device == capabilities("CPU")


def test_a_quantized_model_has_a_quantizer_for_each_input(found: ovquant.Result) -> None:
    seen = ovquant.inspect(found.folder / "model.xml")
    # Neither quantizers nor how weights are stored are operations of their own.
    (head,) = seen.operations
    assert (head.name, head.planned) == ("head", "int8")
    assert head.executed in ("i8", "u8")
    assert [item.of for item in head.quantizers] == ["activations", "weights"]
    assert seen.planned == {"int8": 1}
    assert seen.executed[head.executed] >= 1
    assert "int8" in seen.used
    assert seen.model == "model"
    assert seen.plan is not None
    assert (seen.plan.key, seen.plan.name) == (found.plan.key, "default")


def test_a_plan_beside_another_model_is_not_its_own(found: ovquant.Result, tmp_path: Path) -> None:
    for name in ("model.xml", "model.bin"):
        shutil.copy2(found.folder / name, (tmp_path / "other").with_suffix(Path(name).suffix))
    shutil.copy2(found.folder / "plan.json", tmp_path)
    assert ovquant.inspect(tmp_path / "other.xml").plan is None
    assert ovquant.inspect(linear()).plan is None


def test_primitives_are_counted_by_precision_and_data_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = {"Input": "f32", "Output": "f32", "Const": "i32", "": "f32", "Reorder": "f32", "FullyConnected": "bf16"}
    primitives = [ran(kind, precision) for kind, precision in kinds.items()]
    monkeypatch.setattr(runtime, "executed", lambda compiled: [*primitives, ran("Convolution", "bf16")])
    seen = ovquant.inspect(linear())
    assert seen.executed == {"f32": 1, "bf16": 2}
    assert seen.used == ("AVX-512", "bf16")


def joined() -> openvino.Model:
    """Return a model that puts quantized rows beside each other, which has no weights."""
    port = ops.parameter([1, 8], np.float32, name="x")
    ends = [ops.constant(np.float32(value)) for value in (-1, 1, -1, 1)]
    node = ops.concat([ops.fake_quantize(port, *ends, 256), ops.fake_quantize(port, *ends, 256)], 1)
    node.set_friendly_name("joined")
    return openvino.Model([node], [port], "joined")


def test_an_operation_behind_quantizers_alone_is_int8() -> None:
    (found,) = ovquant.inspect(joined()).operations
    assert (found.name, found.planned) == ("joined", "int8")
    assert [item.of for item in found.quantizers] == ["activations", "activations"]


def test_it_is_compiled_as_the_options_ask() -> None:
    with pytest.raises(DeviceError, match="no device 'TOASTER'"):
        ovquant.inspect("nowhere.xml", device="TOASTER")
    with pytest.raises(DeviceError, match="no property 'COLOUR'"):
        ovquant.inspect(linear(), properties={"COLOUR": "red"})
    with pytest.raises(ModelError, match="cannot take the input shape"):
        ovquant.inspect(linear(), input_shape=f"[1,{WIDTH + 1}]")


def test_what_nothing_runs_is_fused_or_folded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "executed", lambda compiled: [])
    found = ovquant.inspect(linear())
    (head,) = found.operations
    assert (head.planned, head.executed, head.primitive) == (found.device.default_precision, "fused or folded", "")


def test_what_is_kept_in_f32_is_told(tmp_path: Path) -> None:
    path, target = tmp_path / "plain.xml", tmp_path / "kept.xml"
    openvino.save_model(linear(), path, compress_to_fp16=False)
    (name,) = [item.get_friendly_name() for item in linear().get_ops() if item.get_type_name() == "MatMul"]
    write_pinned(path, target, {name})
    (tmp_path / "kept.bin").write_bytes(path.with_suffix(".bin").read_bytes())
    (head,) = ovquant.inspect(target).operations
    assert head.planned == "f32"
    assert head.executed in ("f32", "fused or folded")


def ran(kind: str, precision: str = "f32", primitive: str = "brgemm_avx512_f32") -> Executed:
    return Executed("made", kind, precision, primitive, ())


@pytest.mark.parametrize(
    ("primitives", "used"),
    [
        ([ran("Convolution", "u8", "brgconv_avx512_amx_I8")], ("AMX", "int8")),
        ([ran("MatMul", "i8", "brgemm_avx512_core_i8")], ("AVX-512", "int8")),
        ([ran("FullyConnected", "bf16", "jit_avx2_bf16")], ("AVX2", "bf16")),
        ([ran("GroupConvolution", "f16", "ref_any_f16")], ("f16",)),
        ([ran("Eltwise", "u8", "jit_avx2_u8")], ("AVX2",)),
        ([ran("MatMul", "f32", "jit_avx2_f32"), ran("RNNSeq", "bf16", "jit_avx512_bf16")], ("AVX-512", "AVX2", "bf16")),
        ([], ()),
    ],
)
def test_what_is_used_are_instructions_and_the_low_precisions_of_products(
    primitives: list[Executed], used: tuple[str, ...]
) -> None:
    assert _used(primitives) == used
