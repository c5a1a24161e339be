"""How values are spread over the steps of their quantizers, in the operations that take the most time in float."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import openvino

from ovquant import runtime
from ovquant.domain.operation import Operation, Quantizer, Spread
from ovquant.domain.plan import Plan
from ovquant.domain.sample import Array
from ovquant.graph.precision import constant_values, is_constant, quantizer_behind
from ovquant.measure.models import Models
from ovquant.runtime import REFERENCE

MOST_OPERATIONS, REQUESTS, MOST_VALUES, BINS = 6, 8, 100_000, 64
"""Operations that are looked at, samples whose activations are counted, values of each sample, and bins that they are counted in."""
Place = tuple[str, int]
"""An operation and the number of one of its inputs."""


def with_spreads(models: Models, plan: Plan, operations: Sequence[Operation]) -> tuple[Operation, ...]:
    """Return a plan's operations, those that take the most time in float with the spread of their weights and activations."""
    quantized = [item for item in operations if item.quantizers and item.float_micros is not None]
    chosen = sorted(quantized, key=lambda item: -(item.float_micros or 0.0))[:MOST_OPERATIONS]
    model = runtime.core().read_model(models.build(plan))
    nodes = {node.get_friendly_name(): node for node in model.get_ordered_ops()}
    sources = {
        (item.name, quantizer.input): behind
        for item in chosen
        for quantizer in item.quantizers
        if (behind := quantizer_behind(nodes[item.name].input_value(quantizer.input))) is not None
    }
    spreads = {place: spread for place, source in sources.items() if (spread := _of_stored(source)) is not None}
    fakes = {place: source for place, source in sources.items() if source.get_type_name() == "FakeQuantize"}
    moving = {place: fake for place, fake in fakes.items() if not is_constant(fake.input_value(0)) and _has_grid(fake)}
    if moving and not models.large:
        requests = runtime.requests_of(models.compiled(plan), models.splits.search, REQUESTS)
        spreads |= _of_activations(model, moving, requests, models)
    return tuple(replace(item, quantizers=tuple(_told(item, spreads))) for item in operations)


def _told(item: Operation, spreads: Mapping[Place, Spread]) -> Iterator[Quantizer]:
    for quantizer in item.quantizers:
        yield replace(quantizer, spread=spreads.get((item.name, quantizer.input)))


def _of_stored(source: openvino.Node) -> Spread | None:
    """Return the spread of weights that are stored as integers of eight bits; others are not unpacked."""
    kind = source.get_element_type()
    if source.get_type_name() != "Constant" or kind not in (openvino.Type.i8, openvino.Type.u8):
        return None
    first, last = (-128, 127) if kind == openvino.Type.i8 else (0, 255)
    return _spread(np.asarray(source.data).ravel(), first, last, (float(first), float(last)))


def _of_activations(
    model: openvino.Model,
    fakes: Mapping[Place, openvino.Node],
    requests: Sequence[Sequence[Array]],
    models: Models,
) -> dict[Place, Spread]:
    """Return the spread of what comes to quantizers of activations, over requests."""
    # Operations may share a quantizer.
    grids = {fake.get_friendly_name(): _grid(fake) for fake in fakes.values()}
    inputs = {fake.get_friendly_name(): fake.input_value(0) for fake in fakes.values()}
    known = len(model.outputs)
    model.add_outputs(list(inputs.values()))
    infer = runtime.compile_model(model, replace(models.deployment, properties=REFERENCE)).create_infer_request()
    steps: dict[str, list[Array]] = {name: [] for name in grids}
    for request in requests:
        infer.reset_state()
        infer.infer(list(request))
        for number, (name, (low, scale, _)) in enumerate(grids.items(), start=known):
            found = ((np.asarray(infer.get_output_tensor(number).data, np.float32) - low) / scale).ravel()
            steps[name].append(found[:: max(1, found.size // MOST_VALUES)])
    spreads = {name: _over(np.concatenate(found), grids[name][2]) for name, found in steps.items()}
    told = {place: spreads[fake.get_friendly_name()] for place, fake in fakes.items()}
    return {place: spread for place, spread in told.items() if spread is not None}


def _has_grid(fake: openvino.Node) -> bool:
    """Tell whether the ends of a quantizer's range are known before it runs."""
    return all(constant_values(fake.input_value(port)) is not None for port in (1, 2))


def _grid(fake: openvino.Node) -> tuple[Array, Array, int]:
    """Return the lowest value of a quantizer, the size of its step, and the number of its last step."""
    last = int(fake.get_attributes()["levels"]) - 1
    ends = [constant_values(fake.input_value(port)) for port in (1, 2)]
    low, high = (np.asarray(end, np.float32) for end in ends)
    return low, np.where(high > low, (high - low) / last, 1.0).astype(np.float32), last


def _over(steps: Array, last: int) -> Spread | None:
    steps = steps[np.isfinite(steps)]
    if not steps.size:
        return None
    return _spread(steps, 0, last, (min(0.0, float(steps.min())), max(float(last), float(steps.max()))))


def _spread(steps: Array, first: int, last: int, ends: tuple[float, float]) -> Spread:
    counts, _ = np.histogram(steps, bins=BINS, range=ends)
    clipped = float(np.mean((steps < first - 0.5) | (steps > last + 0.5)))
    return Spread(*ends, tuple(map(int, counts)), first, last, clipped)
