"""Run a compiled model over a dataset with all requests busy."""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import openvino

from ovquant.domain.sample import Array, Dataset, Outputs, Sample, own_tokens
from ovquant.errors import DataError
from ovquant.graph.causes import first_line
from ovquant.graph.names import names_of
from ovquant.runtime.batches import Cuts, Filling, batched_of, known
from ovquant.runtime.requests import filling_of, joined, request
from ovquant.runtime.states import clean, run
from ovquant.runtime.values import outputs_of

BLOCK_SIZE, BLOCK_BYTES = 32, 64 * 2**20
"""Samples whose outputs an evaluation holds at once, enough to keep the requests busy, and the bytes of these at most."""


@dataclass(frozen=True)
class Block:
    """The outputs of a run of samples, one mapping by output name per sample, batch axis kept.

    `batched` names the outputs whose axis 0 is known to be the batch. `texts` are the token ids of samples of text, else None.
    """

    indices: list[int]
    outputs: list[dict[str, Array]]
    targets: list[Any]
    batched: frozenset[str] = frozenset()
    texts: Sequence[Array | None] = ()

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


def batched_names(
    compiled: openvino.CompiledModel, given: Sequence[Sequence[Array]], *, size: int = 1
) -> frozenset[str]:
    """Return the names of the outputs of which each of some samples has one row; given: the inputs of requests of so many."""
    found = frozenset(names_of(compiled.outputs))
    for shapes in {tuple(array.shape for array in arrays) for arrays in given}:
        pairs = zip(names_of(compiled.outputs), batched_of(compiled, shapes, size=size), strict=True)
        found &= frozenset(name for name, batched in pairs if batched)
    return found


def infer(
    compiled: openvino.CompiledModel, dataset: Dataset, *, start: int = 0, stop: int | None = None
) -> Iterator[Block]:
    """Yield the outputs of samples `start` to `stop` in order, a block at a time, with all requests busy.

    A request holds as many samples as `requests.filling_of` says; the last one is filled up by repeating its last sample,
    and the repeats are dropped. Raises ModelError where its outputs cannot be cut into those of the samples (see
    `batches.Cuts`). Each request begins from a clean state.
    """
    stop = len(dataset) if stop is None else min(stop, len(dataset))
    filling, names = filling_of(compiled.inputs, dataset), names_of(compiled.outputs)
    # Plain requests and no queue with a callback: a native thread that still holds Python when the interpreter ends
    # takes the whole process down.
    requests = [compiled.create_infer_request() for _ in range(_optimal_requests(compiled))]
    cuts, batch = known(compiled).cuts, filling.size
    size = batch * _requests_at_once(compiled, dataset, filling, len(requests)) if start < stop else 1
    for begin in range(start, stop, size):
        indices = range(begin, min(begin + size, stop))
        samples, given = list[Sample](), list[list[Array]]()
        found = _run(requests, _read(compiled.inputs, dataset, indices, filling, samples, given), cuts, filling)
        # The last request was filled up.
        outputs = [dict(zip(names, arrays, strict=True)) for arrays in found[: len(samples)]]
        batched = batched_names(compiled, given, size=batch)
        yield Block(
            list(indices), outputs, [sample.target for sample in samples], batched, list(map(own_tokens, samples))
        )


def _read(
    ports: Sequence[Any],
    dataset: Dataset,
    indices: Sequence[int],
    filling: Filling,
    samples: list[Sample],
    given: list[list[Array]],
) -> Iterator[list[Array]]:
    """Yield the inputs of request after request, each read when it is asked for; `samples` and `given` keep what was read."""
    for place in range(0, len(indices), filling.size):
        numbers = indices[place : place + filling.size]
        samples += [dataset[number] for number in numbers]
        given.append(joined(ports, samples[place:], filling, numbers))
        yield given[-1]


def _requests_at_once(compiled: openvino.CompiledModel, dataset: Dataset, filling: Filling, busy: int) -> int:
    """Return how many requests' outputs are held at once; models of the same outputs hold as many.

    An open axis of an output counts as the longest of the inputs' axes.
    """
    given = request(compiled.inputs, dataset, 0, filling)
    longest = max((size for array in given for size in array.shape), default=1)
    sizes = 0
    for port in compiled.outputs:
        shape = port.get_partial_shape()
        axes = [] if shape.rank.is_dynamic else list(shape)
        # The batch is the first, and is counted by requests.
        counts = [
            axis.get_length() if axis.is_static else 1 if not place else longest for place, axis in enumerate(axes)
        ]
        sizes += math.prod(counts) * int(port.get_element_type().size)
    wanted, fitting = max(1, BLOCK_SIZE // filling.size), BLOCK_BYTES // max(1, sizes)
    return max(min(wanted, busy), min(wanted, fitting))


def _optimal_requests(compiled: openvino.CompiledModel) -> int:
    return max(1, int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")))


def _run(requests: Sequence[Any], inputs: Iterable[list[Array]], cuts: Cuts, filling: Filling) -> list[list[Array]]:
    """Return the outputs of each sample."""
    if filling.size == 1:
        return _outputs(requests, inputs)
    given: list[list[Array]] = []

    def checked() -> Iterator[list[Array]]:
        for arrays in inputs:
            if not given:
                with _blaming_data():
                    cuts.check(arrays, filling.size)
            given.append(arrays)
            yield arrays

    results, ask = _outputs(requests, checked()), partial(run, requests[0])
    with _blaming_data():
        return [
            part for arrays, whole in zip(given, results, strict=True) for part in cuts.cut(ask, arrays, whole, filling)
        ]


def _outputs(requests: Sequence[Any], inputs: Iterable[list[Array]]) -> list[list[Array]]:
    """Return the outputs of each request in order, each from a clean state; as many run at once as there are requests.

    While they run, the next inputs are read.
    """
    results, running = list[list[Array]](), deque[Any]()

    def finish() -> Any:
        request = running.popleft()
        request.wait()
        results.append(outputs_of(request))
        return request

    for place, arrays in enumerate(inputs):
        with _blaming_data():
            request = requests[place] if place < len(requests) else finish()
            clean(request).start_async(arrays)
        running.append(request)
    with _blaming_data():
        while running:
            finish()
    return results


@contextmanager
def _blaming_data() -> Iterator[None]:
    """Say of what openvino raises while it runs that the model fails on the data."""
    try:
        yield
    except RuntimeError as error:
        raise DataError(
            f"The model fails on the data: {first_line(error)} Check the shapes and the preprocessing of the data."
        ) from error
