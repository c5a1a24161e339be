"""What a model is: the precision planned for each operation, and the one that the device runs it in."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Unpack

from ovquant import runtime
from ovquant.api.options import ServeOptions, read_options
from ovquant.api.planned import as_planned, plan_beside
from ovquant.api.prepare import load_float, model_name
from ovquant.domain.operation import Operation
from ovquant.domain.plan import Plan
from ovquant.measure.operations import COMPUTING, operations_of
from ovquant.runtime import Capabilities, Executed

_INSTRUCTIONS = (("avx512_amx", "AMX"), ("amx", "AMX"), ("avx512", "AVX-512"), ("avx2", "AVX2"))


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

    model: as `quantize` takes it, quantized or not; a result's is compiled with the properties of its plan. options: how it is
    served; see Options. Raises ModelError and DeviceError with the cause.
    """
    settings = read_options(options, ServeOptions, of=inspect)
    runtime.check_device(settings.device)
    loaded = load_float(model, settings)
    compiled = runtime.compile_model(loaded, as_planned(model, settings))
    primitives = runtime.executed(compiled)
    computes = runtime.properties_of(compiled, [runtime.PRECISION]).get(runtime.PRECISION, "f32")
    operations = tuple(operations_of(loaded, primitives, computes))
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
