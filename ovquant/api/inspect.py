"""What a model is: the precision planned for each operation, and the one that the device runs it in."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

import openvino

from ovquant import runtime
from ovquant.api.options import ServeOptions, read_options
from ovquant.api.prepare import load_float, model_name
from ovquant.domain.plan import Plan
from ovquant.graph.pins import pinned
from ovquant.graph.precision import PASSED, Quantizer, is_constant, precisions, quantizers_of
from ovquant.runtime import Capabilities, Executed

FOLDED = "fused or folded"
"""The precision of an operation that no primitive runs or names."""
COMPUTING = ("Convolution", "Deconvolution", "FullyConnected", "GroupConvolution", "MatMul", "RNNCell", "RNNSeq")
"""The kinds of primitives whose precision decides the speed."""
_INSTRUCTIONS = (("avx512_amx", "AMX"), ("amx", "AMX"), ("avx512", "AVX-512"), ("avx2", "AVX2"))


@dataclass(frozen=True)
class Operation:
    """One operation: its precision in the model, and the primitive and precision that the device runs it as."""

    name: str
    type: str
    planned: str
    executed: str
    primitive: str
    quantizers: tuple[Quantizer, ...]


@dataclass(frozen=True)
class Inspection:
    """A model on a device; `planned` and `executed` count operations and primitives by precision.

    `used` names the capabilities of the device that the executed primitives make use of. `plan` is the plan of a result's model.
    """

    model: str
    device: Capabilities
    operations: tuple[Operation, ...]
    planned: Mapping[str, int]
    executed: Mapping[str, int]
    used: tuple[str, ...]
    plan: Plan | None = None


def inspect(model: Any, **options: Unpack[ServeOptions]) -> Inspection:
    """Tell the precision of every operation with weights or quantizers, as planned and as the device runs it.

    model: as `quantize` takes it, quantized or not. options: how it is served; see Options. Raises
    ModelError and DeviceError with the cause.
    """
    settings = read_options(options, ServeOptions, of=inspect)
    runtime.check_device(settings.device)
    loaded = load_float(model, settings)
    compiled = runtime.compile_model(loaded, settings.deployment())
    primitives = runtime.executed(compiled)
    computes = runtime.properties_of(compiled, [runtime.PRECISION]).get(runtime.PRECISION, "f32")
    operations = tuple(_operations(loaded, primitives, computes))
    running = [item for item in primitives if item.kind not in ("Input", "Output", "Const", "")]
    return Inspection(
        model_name(model),
        runtime.capabilities(settings.device),
        operations,
        dict(Counter(item.planned for item in operations)),
        dict(Counter(item.precision for item in running)),
        _used(running),
        plan_beside(model),
    )


def plan_beside(model: Any) -> Plan | None:
    """Return the plan of a result's model, given as its file or its folder; None for all others."""
    if not isinstance(model, str | Path):
        return None
    path = Path(model) / "model.xml" if Path(model).is_dir() else Path(model)
    plan = path.with_name("plan.json")
    return Plan.load(plan) if path.name == "model.xml" and path.is_file() and plan.is_file() else None


def _operations(model: openvino.Model, primitives: list[Executed], computes: str) -> Iterator[Operation]:
    """Yield the operations with weights or quantizers, and those kept in f32; computes: in what the device computes float."""
    planned, kept = precisions(model), pinned(model)
    runs = {name: item for item in primitives for name in item.operations}
    for operation in model.get_ordered_ops():
        name, kind = operation.get_friendly_name(), operation.get_type_name()
        quantizers = tuple(quantizers_of(operation))
        if kind in ("FakeQuantize", *PASSED) or not (name in planned or name in kept or quantizers):
            continue
        if operation.get_output_size() and is_constant(operation.output(0)):
            continue  # part of how weights are stored
        found = _primitive_of(operation, runs)
        precision = planned.get(name) or ("int8" if quantizers else "f32")
        precision = computes if precision == "f32" and name not in kept else precision
        executed, primitive = (FOLDED, "") if found is None else (found.precision, f"{found.kind} {found.primitive}")
        yield Operation(name, kind, precision, executed, primitive.strip(), quantizers)


def _primitive_of(operation: openvino.Node, runs: Mapping[str, Executed]) -> Executed | None:
    """Return the primitive that an operation runs as, or as part of.

    A product that was fused with the bias or the scales behind it is known by their names alone.
    """
    node, found = operation, runs.get(operation.get_friendly_name())
    while found is None:
        users = [target.get_node() for target in node.output(0).get_target_inputs()]
        computing = [user for user in users if user.get_type_name() != "ShapeOf"]
        if len(computing) != 1 or computing[0].get_type_name() not in ("Add", "Multiply", "Subtract"):
            return None
        node = computing[0]
        behind = runs.get(node.get_friendly_name())
        if behind is not None:
            return behind if behind.kind in COMPUTING else None
    return found


def _used(primitives: list[Executed]) -> tuple[str, ...]:
    """Name what the primitives use: instruction sets, and the low precisions that products are computed in."""
    instructions = {_instruction(item.primitive.lower()) for item in primitives} - {""}
    precisions_of = {"i8": "int8", "u8": "int8", "bf16": "bf16", "f16": "f16"}
    low = {
        precisions_of[item.precision]
        for item in primitives
        if item.kind in COMPUTING and item.precision in precisions_of
    }
    return (*sorted(instructions), *sorted(low))


def _instruction(primitive: str) -> str:
    return next((label for mark, label in _INSTRUCTIONS if mark in primitive), "")
