"""Compile a model for the device and the properties it will be served with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import openvino

from ovquant.errors import CompileError, DeviceError
from ovquant.graph.causes import first_line
from ovquant.graph.fingerprint import STATEFUL, operation_types
from ovquant.graph.names import names_of
from ovquant.graph.pairs import is_pair, parted
from ovquant.graph.precision import is_quantized
from ovquant.runtime.batches import (
    ByShapes,
    Compiled,
    Lengths,
    Parts,
    Shapes,
    batched_outputs,
    lengths_of,
    open_beyond_batch,
)
from ovquant.runtime.values import check_kind

PRECISION = "INFERENCE_PRECISION_HINT"
"""The property that says in what a device computes float."""
REFERENCE = {PRECISION: "f32"}
"""The properties of the accuracy reference: some devices compute float models in bf16 or f16 unless told otherwise."""

KEPT_WHOLE, NOT_ROUNDED = {"KV_CACHE_PRECISION": "f32"}, {"DYNAMIC_QUANTIZATION_GROUP_SIZE": "0"}
"""The properties by which what a decoder keeps of past tokens is not rounded, nor what is multiplied by stored weights."""


@dataclass(frozen=True)
class Deployment:
    """Where and how the model will serve: the device, the compile properties and the batch size.

    `reference` are the properties of the accuracy reference there, beside those.
    """

    device: str = "CPU"
    properties: Mapping[str, str] = field(default_factory=dict)
    batch: int = 1
    reference: Mapping[str, str] = field(default_factory=lambda: REFERENCE)


@cache
def core() -> openvino.Core:
    """Return the one openvino.Core of this process."""
    return openvino.Core()


def check_device(device: str) -> None:
    """Raise DeviceError when openvino does not offer a device."""
    names = core().available_devices
    if device.split(".")[0].split(":")[0] not in {name.split(".")[0] for name in names}:
        raise DeviceError(
            f"There is no device '{device}' here. OpenVINO offers: {', '.join(names)}. Choose one of these with --device."
        )


def reference_properties(model: openvino.Model, device: str) -> dict[str, str]:
    """Return the properties of a model's accuracy reference: float is f32, and nothing is rounded on the way."""
    wanted = {} if not any(kind in operation_types(model) for kind in STATEFUL) else KEPT_WHOLE
    wanted = {**wanted, **(NOT_ROUNDED if is_quantized(model) else {})}
    known = core().get_property(device, "SUPPORTED_PROPERTIES") if wanted else ()
    return {**REFERENCE, **{name: value for name, value in wanted.items() if name in known}}


def compile_model(
    model: openvino.Model | Path, deployment: Deployment, *, extra: Mapping[str, str] | None = None
) -> Compiled:
    """Compile for a deployment; `extra` properties come last. Raises DeviceError or ModelError with the cause."""
    properties = {**deployment.properties, **(extra or {})}
    try:
        loaded = core().read_model(model) if isinstance(model, Path) else model
        _check_kinds(loaded)
        batched = batched_outputs(loaded)
        by_shapes = None if all(batched) or not open_beyond_batch(loaded) else _by_shapes(model)
        lengths = _lengths(model) if open_beyond_batch(loaded) else None
        found = Compiled(core().compile_model(loaded, deployment.device, properties), batched, by_shapes, lengths)
        found.parts = _parts(model, deployment.device, properties) if is_pair(loaded) else None
        return found
    except RuntimeError as error:
        check_device(deployment.device)
        unknown = _unknown_property(deployment, error)
        if unknown:
            raise DeviceError(unknown) from error
        remedy = _rankless(model) if "dynamic rank" in str(error) else ""
        raise CompileError(f"The model does not compile on {deployment.device}: {first_line(error)}{remedy}") from error


def _parts(model: openvino.Model | Path, device: str, properties: Mapping[str, str]) -> Parts:
    """Return what compiles the encoder and the decoder of a model that was made of two, once."""

    @cache
    def make() -> tuple[openvino.CompiledModel, openvino.CompiledModel]:
        encoder, decoder = parted(core().read_model(model) if isinstance(model, Path) else model)
        return core().compile_model(encoder, device, properties), core().compile_model(decoder, device, properties)

    return make


def _by_shapes(model: openvino.Model | Path) -> ByShapes:
    """Return what tells by a sample's shapes which outputs' first axes are the batch."""

    @cache
    def tell(shapes: Shapes) -> tuple[bool, ...]:
        # A file is read again, so that its weights are not held.
        return batched_outputs(core().read_model(model) if isinstance(model, Path) else model, shapes)

    return tell


def _lengths(model: openvino.Model | Path) -> Lengths:
    """Return what tells by a request's shapes how long its outputs are."""

    @cache
    def tell(shapes: Shapes) -> tuple[int | None, ...]:
        return lengths_of(core().read_model(model) if isinstance(model, Path) else model, shapes)

    return tell


def _check_kinds(model: openvino.Model) -> None:
    for role, ports in (("input", model.inputs), ("output", model.outputs)):
        for port, name in zip(ports, names_of(ports), strict=True):
            check_kind(port, name, role)


def _rankless(model: openvino.Model | Path) -> str:
    """Say what to do about inputs whose number of dimensions is open; nothing where there is none."""
    inputs = (core().read_model(model) if isinstance(model, Path) else model).inputs
    ports = zip(inputs, names_of(inputs), strict=True)
    found = [name for port, name in ports if port.get_partial_shape().rank.is_dynamic]
    return f". Fix the shape of its input with --input-shape {found[0]}[1,...]" if found else ""


def _unknown_property(deployment: Deployment, error: BaseException) -> str:
    supported = {str(name) for name in core().get_property(deployment.device, "SUPPORTED_PROPERTIES")}
    unknown = [name for name in deployment.properties if name not in supported]
    if unknown:
        return f"{deployment.device} has no property '{unknown[0]}'. It has: {', '.join(sorted(supported))}."
    if deployment.properties and "property" in str(error).lower():
        return f"{deployment.device} refuses the properties {dict(deployment.properties)}: {first_line(error)}"
    return ""
