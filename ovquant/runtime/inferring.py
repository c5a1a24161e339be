"""Run a compiled model over a dataset with all requests busy."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import openvino

from ovquant.errors import DataError
from ovquant.protocols import Array, Dataset, Outputs
from ovquant.runtime.compiling import first_line
from ovquant.runtime.fitting import fit, join, names_of, static_batch

BLOCK_SIZE = 32
"""Samples whose outputs an evaluation holds at once: enough to keep the requests busy, few enough for large outputs."""


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


def infer(
    compiled: openvino.CompiledModel, dataset: Dataset, *, start: int = 0, stop: int | None = None
) -> Iterator[Block]:
    """Yield the outputs of samples `start` to `stop` in order, a block at a time, with all requests busy.

    A model with a static batch above one gets that many samples per request; the last request is filled up by
    repeating its last sample, and the repeats are dropped.
    """
    stop = len(dataset) if stop is None else min(stop, len(dataset))
    batch = static_batch(compiled.inputs)
    # Plain requests and no queue with a callback: a native thread that still holds Python when the interpreter ends
    # takes the whole process down.
    requests = [compiled.create_infer_request() for _ in range(_optimal_requests(compiled))]
    names = names_of(compiled.outputs)
    size = batch * max(1, BLOCK_SIZE // batch)
    for begin in range(start, stop, size):
        indices = list(range(begin, min(begin + size, stop)))
        samples = [dataset[index] for index in indices]
        fitted = [
            fit(compiled.inputs, sample, what=f"sample {index}") for index, sample in zip(indices, samples, strict=True)
        ]
        yield Block(indices, _run(requests, fitted, names, batch), [sample.target for sample in samples])


def _optimal_requests(compiled: openvino.CompiledModel) -> int:
    return max(1, int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")))


def _run(requests: Sequence[Any], fitted: list[list[Array]], names: list[str], batch: int) -> list[dict[str, Array]]:
    # A sample whose own axis 0 already fills the batch is a request of its own.
    group = batch if batch > 1 and all(array.shape[0] == 1 for arrays in fitted for array in arrays) else 1
    try:
        results = _outputs(
            requests, [join(fitted[begin : begin + group], group) for begin in range(0, len(fitted), group)]
        )
    except RuntimeError as error:
        raise DataError(
            f"The model fails on the data: {first_line(error)} Check the shapes and the preprocessing of the data."
        ) from error
    if group == 1:
        return [dict(zip(names, arrays, strict=True)) for arrays in results]
    return [
        {name: array[offset : offset + 1] for name, array in zip(names, arrays, strict=True)}
        for place, arrays in enumerate(results)
        for offset in range(min(group, len(fitted) - place * group))
    ]


def _outputs(requests: Sequence[Any], inputs: Sequence[list[Array]]) -> list[list[Array]]:
    """Return the outputs of each request in order; as many run at once as there are requests."""
    results: list[list[Array]] = []
    for place in range(len(inputs) + len(requests)):
        request = requests[place % len(requests)]
        if len(requests) <= place and len(results) < len(inputs):
            request.wait()
            results.append([np.array(tensor.data) for tensor in request.output_tensors])
        if place < len(inputs):
            request.start_async(inputs[place])
    return results
