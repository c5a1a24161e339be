"""Compile, infer and time; the only place that talks to a device."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray

from ovquant.errors import DataError, DeviceError, ModelError
from ovquant.protocols import Array, Dataset, Outputs, Sample

BLOCK_SIZE = 32
"""Samples whose outputs an evaluation holds at once: enough to keep the requests busy, few enough for large outputs."""


@dataclass(frozen=True)
class Deployment:
    """Where and how the model will serve: the device, the compile properties and the batch size."""

    device: str = "CPU"
    properties: Mapping[str, str] = field(default_factory=dict)
    batch: int = 1

    def served(self) -> dict[str, str]:
        """Return the properties to compile with: the user's own over the default for low latency."""
        return {"PERFORMANCE_HINT": "LATENCY", **self.properties}


REFERENCE = {"INFERENCE_PRECISION_HINT": "f32"}
"""The properties of the accuracy reference: some devices compute float models in bf16 or f16 unless told otherwise."""


@cache
def core() -> openvino.Core:
    """Return the one openvino.Core of this process."""
    return openvino.Core()


def check_device(device: str) -> None:
    """Raise DeviceError when openvino does not offer a device."""
    names = core().available_devices
    if device.split(".")[0].split(":")[0] not in {name.split(".")[0] for name in names}:
        raise DeviceError(f"There is no device '{device}' here. OpenVINO offers: {', '.join(names)}.")


def compile_model(
    model: openvino.Model | Path, deployment: Deployment, *, extra: Mapping[str, str] | None = None
) -> openvino.CompiledModel:
    """Compile for a deployment; `extra` properties come last. Raises DeviceError or ModelError with the cause."""
    properties = {**deployment.served(), **(extra or {})}
    try:
        return core().compile_model(model, deployment.device, properties)
    except RuntimeError as error:
        check_device(deployment.device)
        unknown = _unknown_property(deployment, error)
        if unknown:
            raise DeviceError(unknown) from error
        raise ModelError(f"The model does not compile on {deployment.device}: {first_line(error)}") from error


def first_line(error: BaseException) -> str:
    """Return the line of an openvino error that says what went wrong, without its source position."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(("Exception from", "Check '"))]
    return (telling or lines or [type(error).__name__])[0]


def input_name(port: Any, index: int = 0) -> str:
    """Return the name of an input or output port, or its position when it has none."""
    names = sorted(port.get_names())
    return str(port.get_any_name()) if names else f"{index}"


def names_of(ports: Sequence[Any]) -> list[str]:
    """Return the name of every port."""
    return [input_name(port, index) for index, port in enumerate(ports)]


def fit(inputs: Sequence[Any], sample: Sample, *, what: str = "a sample") -> list[Array]:
    """Return one array per model input, in order, batch axis included.

    inputs: the model's input ports. A sample's array without the batch axis gets one; dtypes are cast where no
    value is lost. Raises DataError naming the input, what it expects and what it got.
    """
    arrays = _match(inputs, sample.inputs, what)
    return [_shape(port, name, array, what) for port, name, array in zip(inputs, names_of(inputs), arrays, strict=True)]


def _match(inputs: Sequence[Any], given: Any, what: str) -> list[Any]:
    names = names_of(inputs)
    if isinstance(given, Mapping):
        by_alias = [next((given[alias] for alias in _aliases(port, name) if alias in given), None) for port, name in zip(inputs, names, strict=True)]
        missing = [name for name, value in zip(names, by_alias, strict=True) if value is None]
        if missing:
            if len(inputs) == 1 and len(given) == 1:
                return list(given.values())
            raise DataError(
                f"The model's input '{missing[0]}' is not in the data: {what} has {', '.join(map(str, given))}; "
                f"the model expects {', '.join(names)}. Rename the arrays to the model's input names."
            )
        return by_alias
    values = list(given) if isinstance(given, list | tuple) else [given]
    if len(values) != len(inputs):
        raise DataError(
            f"{what} has {len(values)} input arrays; the model has {len(inputs)} inputs: {', '.join(names)}."
        )
    return values


def _aliases(port: Any, name: str) -> list[str]:
    return [name, *sorted(port.get_names())]


def _shape(port: Any, name: str, value: Any, what: str) -> Array:
    array, expected = np.asarray(value), port.get_partial_shape()
    dtype = port.get_element_type().to_dtype()
    if not np.can_cast(array.dtype, dtype, "same_kind") and not (array.dtype.kind in "iub" and dtype.kind in "iuf"):
        raise DataError(
            f"The model's input '{name}' expects {dtype} values and {what} has {array.dtype} ones. "
            "Convert the data, or put the conversion into the model."
        )
    if not expected.rank.is_dynamic:
        rank = expected.rank.get_length()
        if array.ndim == rank - 1:
            array = array[None]
        if array.ndim != rank or not _compatible(expected, array.shape):
            raise DataError(
                f"The model's input '{name}' expects shape {_text(expected)} and {what} has {list(np.shape(value))}. "
                "Change the data's preprocessing, or fix the model's shape with --input-shape."
            )
    return np.ascontiguousarray(array, dtype=dtype)


def _compatible(expected: Any, shape: Sequence[int]) -> bool:
    """Tell whether a sample fits a shape; a static batch above one is filled with several samples."""
    for axis, (dimension, size) in enumerate(zip(expected, shape, strict=True)):
        fits = dimension.get_min_length() <= size and (
            dimension.is_dynamic and dimension.get_max_length() in (-1, size) or size <= dimension.get_max_length()
        )
        if not fits and not (axis == 0 and size == 1):
            return False
        if not dimension.is_dynamic and size != dimension.get_length() and not (axis == 0 and size == 1):
            return False
    return True


def _text(shape: Any) -> str:
    return str(shape).replace("..", "-")


def static_batch(inputs: Sequence[Any]) -> int:
    """Return the fixed size of axis 0 that every input shares, or 1 when it is dynamic or differs."""
    sizes = set()
    for port in inputs:
        shape = port.get_partial_shape()
        if shape.rank.is_dynamic or shape.rank.get_length() == 0 or shape[0].is_dynamic:
            return 1
        sizes.add(shape[0].get_length())
    return sizes.pop() if len(sizes) == 1 else 1


def with_batch(model: openvino.Model, batch: int) -> openvino.Model:
    """Return a copy of the model whose inputs have axis 0 fixed to a batch size."""
    copy = model.clone()
    shapes = {}
    for index, port in enumerate(copy.inputs):
        shape = port.get_partial_shape()
        if shape.rank.is_dynamic or shape.rank.get_length() == 0:
            raise ModelError(f"The input '{input_name(port, index)}' has no batch axis; leave --batch out.")
        shape[0] = batch
        shapes[port] = shape
    try:
        copy.reshape(shapes)
    except RuntimeError as error:
        raise ModelError(f"The model cannot take a batch of {batch}: {first_line(error)}") from error
    return copy


@dataclass(frozen=True)
class Block:
    """The outputs of a run of samples, one mapping by output name per sample, batch axis kept."""

    indices: list[int]
    outputs: list[dict[str, Array]]
    targets: list[Any]

    def stacked(self) -> Outputs:
        """Return what a metric takes: one value for one output, a mapping by name for several."""
        names = list(self.outputs[0])
        columns = {name: stack([item[name] for item in self.outputs]) for name in names}
        return columns[names[0]] if len(names) == 1 else columns


def stack(arrays: Sequence[Array]) -> Array | list[Array]:
    """Join per-sample arrays along the batch axis, or return them as a list when their shapes differ."""
    first = arrays[0]
    if first.ndim and all(array.shape == first.shape and array.shape[0] == 1 for array in arrays):
        return np.concatenate(arrays)
    return list(arrays)


def infer(compiled: openvino.CompiledModel, dataset: Dataset, *, start: int = 0, stop: int | None = None) -> Iterator[Block]:
    """Yield the outputs of samples `start` to `stop` in order, a block at a time, with all requests busy.

    A model with a static batch above one gets that many samples per request; the last request is filled up by
    repeating its last sample, and the repeats are dropped.
    """
    stop = len(dataset) if stop is None else min(stop, len(dataset))
    batch = static_batch(compiled.inputs)
    queue = openvino.AsyncInferQueue(compiled)
    names = names_of(compiled.outputs)
    results: dict[int, list[Array]] = {}

    def keep(request: Any, position: int) -> None:
        results[position] = [np.array(request.get_output_tensor(port).data) for port in range(len(names))]

    queue.set_callback(keep)
    size = batch * max(1, BLOCK_SIZE // batch)
    for begin in range(start, stop, size):
        indices = list(range(begin, min(begin + size, stop)))
        samples = [dataset[index] for index in indices]
        fitted = [fit(compiled.inputs, sample, what=f"sample {index}") for index, sample in zip(indices, samples, strict=True)]
        yield Block(indices, _run(queue, fitted, results, names, batch), [sample.target for sample in samples])


def _run(
    queue: Any, fitted: list[list[Array]], results: dict[int, list[Array]], names: list[str], batch: int
) -> list[dict[str, Array]]:
    results.clear()
    # A sample whose own axis 0 already fills the batch is a request of its own.
    group = batch if batch > 1 and all(array.shape[0] == 1 for arrays in fitted for array in arrays) else 1
    try:
        for begin in range(0, len(fitted), group):
            queue.start_async(_join(fitted[begin : begin + group], group), begin)
        queue.wait_all()
    except RuntimeError as error:
        raise DataError(f"The model fails on the data: {first_line(error)}") from error
    if group == 1:
        return [dict(zip(names, results[position], strict=True)) for position in range(len(fitted))]
    return [
        {name: array[offset : offset + 1] for name, array in zip(names, results[begin], strict=True)}
        for begin in range(0, len(fitted), group)
        for offset in range(min(group, len(fitted) - begin))
    ]


def _join(rows: list[list[Array]], size: int) -> list[Array]:
    if size == 1:
        return rows[0]
    filled = rows + [rows[-1]] * (size - len(rows))
    return [np.concatenate(column) for column in zip(*filled, strict=True)]


def request(inputs: Sequence[Any], dataset: Dataset, begin: int, batch: int) -> list[Array]:
    """Return the inputs of one whole request: one sample, or a static batch of them, going round at the end."""
    rows = [fit(inputs, dataset[index % len(dataset)], what=f"sample {index}") for index in range(begin, begin + batch)]
    filled = batch == 1 or any(array.shape[0] != 1 for array in rows[0])
    return rows[0] if filled else _join(rows, batch)


def requests_of(compiled: openvino.CompiledModel, dataset: Dataset, count: int) -> list[list[Array]]:
    """Return the inputs of a few whole requests, for timing."""
    batch = static_batch(compiled.inputs)
    return [request(compiled.inputs, dataset, begin, batch) for begin in range(0, min(count * batch, len(dataset)), batch)]


def interleave(
    contenders: Sequence[openvino.CompiledModel],
    requests: Sequence[Sequence[Array]],
    *,
    seconds: float,
    least: int = 20,
    most: int = 2000,
) -> NDArray[np.float64]:
    """Time single inferences of several models in turn (A B A B …) on the same inputs.

    Returns milliseconds, shape [rounds, contenders]; the turn order alternates between rounds, so that none always
    runs after the same neighbour. Ends after `seconds` once `least` rounds are done, or after `most` rounds.
    """
    running = [contender.create_infer_request() for contender in contenders]
    for request in running:
        for inputs in list(requests)[:3]:
            request.infer(list(inputs))
    rows: list[list[float]] = []
    end = time.perf_counter() + seconds
    while len(rows) < most and (len(rows) < least or time.perf_counter() < end):
        inputs = list(requests[len(rows) % len(requests)])
        row = [0.0] * len(running)
        order = range(len(running)) if len(rows) % 2 == 0 else reversed(range(len(running)))
        for position in order:
            begin = time.perf_counter()
            running[position].infer(inputs)
            row[position] = (time.perf_counter() - begin) * 1e3
        rows.append(row)
    return np.asarray(rows)


def interleave_throughput(
    contenders: Sequence[openvino.CompiledModel],
    requests: Sequence[Sequence[Array]],
    *,
    seconds: float,
    least: int = 5,
    most: int = 200,
) -> NDArray[np.float64]:
    """Time bursts with all requests busy, model after model in turn; milliseconds per request, [rounds, contenders]."""
    queues = [openvino.AsyncInferQueue(contender) for contender in contenders]
    burst = 8 * max(len(queue) for queue in queues)
    rows: list[list[float]] = []
    for queue in queues:
        _burst(queue, requests, len(queue))
    end = time.perf_counter() + seconds
    while len(rows) < most and (len(rows) < least or time.perf_counter() < end):
        order = list(range(len(queues)))
        row = [0.0] * len(queues)
        for position in order if len(rows) % 2 == 0 else reversed(order):
            row[position] = _burst(queues[position], requests, burst)
        rows.append(row)
    return np.asarray(rows)


def _burst(queue: Any, requests: Sequence[Sequence[Array]], count: int) -> float:
    begin = time.perf_counter()
    for index in range(count):
        queue.start_async(list(requests[index % len(requests)]))
    queue.wait_all()
    return (time.perf_counter() - begin) * 1e3 / count


@dataclass(frozen=True)
class Executed:
    """One primitive as the device runs it: its kind, precision and the operations fused into it."""

    name: str
    kind: str
    precision: str
    primitive: str
    operations: tuple[str, ...]


def executed(compiled: openvino.CompiledModel) -> list[Executed]:
    """Return what the device really executes, in order."""
    nodes = []
    for node in compiled.get_runtime_model().get_ordered_ops():
        info = {key: str(value.astype(str) if hasattr(value, "astype") else value) for key, value in node.get_rt_info().items()}
        nodes.append(
            Executed(
                node.get_friendly_name(),
                info.get("layerType", ""),
                info.get("runtimePrecision", ""),
                info.get("primitiveType", ""),
                tuple(name for name in info.get("originalLayersNames", "").split(",") if name),
            )
        )
    return nodes


@dataclass(frozen=True)
class Capabilities:
    """A device and what it can compute fast."""

    device: str
    full_name: str
    capabilities: tuple[str, ...]
    instructions: tuple[str, ...]
    default_precision: str


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
        _instructions() if device == "CPU" else (),
        getattr(precision, "get_type_name", lambda: str(precision))(),
    )


def devices() -> list[Capabilities]:
    """Return every device that openvino offers here."""
    return [capabilities(name) for name in core().available_devices]


def _instructions() -> tuple[str, ...]:
    """Return the matrix and vector instruction sets that matter to int8 and bf16, from the kernel's list."""
    wanted = ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_int8", "amx_bf16", "amx_fp16")
    source = Path("/proc/cpuinfo")
    if not source.exists():
        return ()
    flags = next((line for line in source.read_text().splitlines() if line.startswith("flags")), "").split()
    return tuple(name for name in wanted if name in flags)


def _unknown_property(deployment: Deployment, error: BaseException) -> str:
    supported = {str(name) for name in core().get_property(deployment.device, "SUPPORTED_PROPERTIES")}
    unknown = [name for name in deployment.properties if name not in supported]
    if unknown:
        return f"{deployment.device} has no property '{unknown[0]}'. It has: {', '.join(sorted(supported))}."
    if deployment.properties and "property" in str(error).lower():
        return f"{deployment.device} refuses the properties {dict(deployment.properties)}: {first_line(error)}"
    return ""
