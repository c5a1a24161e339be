"""Run a compiled model over a dataset with all requests busy."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import openvino

from ovquant.domain.sample import Array, Dataset, Outputs
from ovquant.errors import DataError
from ovquant.graph.causes import first_line
from ovquant.graph.names import names_of
from ovquant.graph.shapes import static_batch
from ovquant.runtime.batches import Cuts, batched_of, known
from ovquant.runtime.fit import fit, join
from ovquant.runtime.states import clean, run
from ovquant.runtime.values import outputs_of

BLOCK_SIZE = 32
"""Samples whose outputs an evaluation holds at once: enough to keep the requests busy, few enough for large outputs."""


@dataclass(frozen=True)
class Block:
    """The outputs of a run of samples, one mapping by output name per sample, batch axis kept.

    `batched` names the outputs whose axis 0 is known to be the batch.
    """

    indices: list[int]
    outputs: list[dict[str, Array]]
    targets: list[Any]
    batched: frozenset[str] = frozenset()

    def stacked(self) -> Outputs:
        """Return what a metric takes: one value for one output, a mapping by name for several."""
        names = list(self.outputs[0])
        columns = {name: stack([item[name] for item in self.outputs], batched=name in self.batched) for name in names}
        return columns[names[0]] if len(names) == 1 else columns


def stack(arrays: Sequence[Array], *, batched: bool) -> Array | list[Array]:
    """Join per-sample arrays along the batch axis, or return them as a list where they have none or shapes differ."""
    if batched and stackable([array.shape for array in arrays]):
        return np.concatenate(arrays)
    return list(arrays)


def stackable(shapes: Sequence[tuple[int, ...]]) -> bool:
    """Tell whether arrays of these shapes, whose axis 0 is the batch, are of one sample each and all of one shape."""
    first = shapes[0]
    return bool(first) and first[0] == 1 and all(shape == first for shape in shapes)


def batched_names(compiled: openvino.CompiledModel, fitted: Sequence[Sequence[Array]]) -> frozenset[str]:
    """Return the names of the outputs of which each of some samples has one row; fitted: their inputs."""
    found = frozenset(names_of(compiled.outputs))
    for shapes in {tuple(array.shape for array in arrays) for arrays in fitted}:
        pairs = zip(names_of(compiled.outputs), batched_of(compiled, shapes), strict=True)
        found &= frozenset(name for name, batched in pairs if batched)
    return found


def infer(
    compiled: openvino.CompiledModel, dataset: Dataset, *, start: int = 0, stop: int | None = None
) -> Iterator[Block]:
    """Yield the outputs of samples `start` to `stop` in order, a block at a time, with all requests busy.

    A model with a static batch above one gets that many samples per request; the last request is filled up by
    repeating its last sample, and the repeats are dropped. Raises ModelError where its outputs cannot be cut into those of
    the samples (see `batches.Cuts`). Each request begins from a clean state.
    """
    stop = len(dataset) if stop is None else min(stop, len(dataset))
    batch, names = static_batch(compiled.inputs), names_of(compiled.outputs)
    # Plain requests and no queue with a callback: a native thread that still holds Python when the interpreter ends
    # takes the whole process down.
    requests = [compiled.create_infer_request() for _ in range(_optimal_requests(compiled))]
    cuts = known(compiled).cuts
    size = batch * max(1, BLOCK_SIZE // batch)
    for begin in range(start, stop, size):
        indices = list(range(begin, min(begin + size, stop)))
        samples = [dataset[index] for index in indices]
        fitted = [
            fit(compiled.inputs, sample, what=f"sample {index}") for index, sample in zip(indices, samples, strict=True)
        ]
        outputs = [dict(zip(names, arrays, strict=True)) for arrays in _run(requests, fitted, cuts, batch)]
        yield Block(indices, outputs, [sample.target for sample in samples], batched_names(compiled, fitted))


def _optimal_requests(compiled: openvino.CompiledModel) -> int:
    return max(1, int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")))


def _run(requests: Sequence[Any], fitted: list[list[Array]], cuts: Cuts, batch: int) -> list[list[Array]]:
    """Return the outputs of each sample."""
    # A sample whose own axis 0 already fills the batch is a request of its own.
    group = batch if batch > 1 and all(array.shape[0] == 1 for arrays in fitted for array in arrays) else 1
    inputs = [join(fitted[begin : begin + group], group) for begin in range(0, len(fitted), group)]
    try:
        if group == 1:
            return _outputs(requests, inputs)
        cuts.check(group)
        results = zip(inputs, _outputs(requests, inputs), strict=True)
        ask = partial(run, requests[0])
        found = [part for given, arrays in results for part in cuts.cut(ask, given, arrays, group)]
    except RuntimeError as error:
        raise DataError(
            f"The model fails on the data: {first_line(error)} Check the shapes and the preprocessing of the data."
        ) from error
    # The last request was filled up.
    return found[: len(fitted)]


def _outputs(requests: Sequence[Any], inputs: Sequence[list[Array]]) -> list[list[Array]]:
    """Return the outputs of each request in order, each from a clean state; as many run at once as there are requests."""
    results: list[list[Array]] = []
    for place in range(len(inputs) + len(requests)):
        request = requests[place % len(requests)]
        if len(requests) <= place and len(results) < len(inputs):
            request.wait()
            results.append(outputs_of(request))
        if place < len(inputs):
            clean(request).start_async(inputs[place])
    return results
