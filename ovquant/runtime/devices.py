"""Ask devices what they can do, and compiled models what they really run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import openvino

from ovquant.runtime.arithmetic import Arithmetic, int8_arithmetic
from ovquant.runtime.compile import check_device, core
from ovquant.runtime.processor import instructions

SERVED = ("INFERENCE_PRECISION_HINT", "PERFORMANCE_HINT", "EXECUTION_MODE_HINT", "NUM_STREAMS", "INFERENCE_NUM_THREADS")
"""Properties that a model's outputs depend on."""

HOW = ("layerType", "runtimePrecision", "primitiveType", "outputPrecisions", "outputLayouts")
"""What a runtime model tells of an operation."""
FROM_OUTSIDE, WITH_BODY = ("Input", "MemoryInput"), ("TensorIterator", "Loop", "If")
"""The kinds of operations that bring in what differs from one inference to the next, and those that run others."""
How = tuple[str, ...]


@dataclass(frozen=True)
class Executed:
    """One primitive as the device runs it: its kind, precision and the operations fused into it.

    `micros` are the mean microseconds that it takes, None unless the model was compiled with PERF_COUNT and has run.
    """

    name: str
    kind: str
    precision: str
    primitive: str
    operations: tuple[str, ...]
    micros: float | None = None


def executed(compiled: openvino.CompiledModel) -> list[Executed]:
    """Return what the device really executes, in order."""
    nodes = []
    for node in compiled.get_runtime_model().get_ordered_ops():
        info = {
            key: str(value.astype(str) if hasattr(value, "astype") else value)
            for key, value in node.get_rt_info().items()
        }
        micros = info.get("execTimeMcs", "")
        nodes.append(
            Executed(
                node.get_friendly_name(),
                info.get("layerType", ""),
                info.get("runtimePrecision", ""),
                info.get("primitiveType", ""),
                tuple(name for name in info.get("originalLayersNames", "").split(",") if name),
                float(micros) if micros.isdigit() else None,
            )
        )
    return nodes


def operations_run(compiled: openvino.CompiledModel) -> dict[How, list[float]]:
    """Return the microseconds of what runs at each inference, zero unless it is timed, by all that tells how it runs.

    That is its kind, primitive, precisions, layouts and shapes. What depends on no input, such as how weights are unpacked, is done when
    a model is compiled; then float weights are brought into the precision of what reads them. Operations with a body are like no
    other, since nothing tells what runs inside.
    """
    found: dict[How, list[float]] = {}
    fed: set[str] = set()
    for node in compiled.get_runtime_model().get_ordered_ops():
        sources = [port.get_source_output() for port in node.inputs()]
        changing = [source.get_node().get_friendly_name() in fed for source in sources]
        info = node.get_rt_info()
        kind, *how = (str(info[name].astype(str)) if name in info else "" for name in HOW)
        if kind not in FROM_OUTSIDE and not any(changing):
            continue
        fed.add(node.get_friendly_name())
        read = [_read(source, changes=changes) for source, changes in zip(sources, changing, strict=True)]
        shapes = [str(port.get_partial_shape()) for port in node.outputs()]
        inside = str(uuid4()) if kind in WITH_BODY else str(_fused(info)) if kind == "Subgraph" else ""
        micros = str(info["execTimeMcs"].astype(str)) if "execTimeMcs" in info else ""
        times = found.setdefault((kind, *how, inside, *read, *shapes), [])
        times.append(float(micros) if micros.isdigit() else 0.0)
    return found


def _read(source: openvino.Output, *, changes: bool) -> str:
    kind = source.get_element_type()
    return str(kind) if changes or kind.is_integral() else "float"


def _fused(info: Mapping[str, Any]) -> int:
    return str(info["originalLayersNames"].astype(str)).count(",") if "originalLayersNames" in info else 0


@dataclass(frozen=True)
class Capabilities:
    """A device, what it can compute fast, and how it adds products of int8: exactly, or in 16 bits that saturate."""

    device: str
    full_name: str
    capabilities: tuple[str, ...]
    instructions: tuple[str, ...]
    default_precision: str
    int8: Arithmetic = "exact"


def capabilities(device: str) -> Capabilities:
    """Ask openvino, and the processor's own flags, what a device can do."""
    check_device(device)

    def ask(name: str) -> Any:
        try:
            return core().get_property(device, name)
        except RuntimeError:
            return ""

    precision = ask("INFERENCE_PRECISION_HINT")
    return Capabilities(
        device,
        str(ask("FULL_DEVICE_NAME")),
        tuple(str(item) for item in ask("OPTIMIZATION_CAPABILITIES") or ()),
        instructions() if device == "CPU" else (),
        getattr(precision, "get_type_name", lambda: str(precision))(),
        int8_arithmetic(device),
    )


def devices() -> list[Capabilities]:
    """Return every device that openvino offers here."""
    return [capabilities(name) for name in core().available_devices]


def properties_of(compiled: openvino.CompiledModel, names: Sequence[str]) -> dict[str, str]:
    """Return the properties of a compiled model by name, those that the device has; values are as in openvino's texts."""
    supported = {str(name) for name in compiled.get_property("SUPPORTED_PROPERTIES")}
    values = {name: compiled.get_property(name) for name in names if name in supported}
    return {name: _property_text(value) for name, value in values.items()}


def _property_text(value: Any) -> str:
    if isinstance(value, openvino.Type):
        return str(value.get_type_name())
    return str(getattr(value, "name", value))
