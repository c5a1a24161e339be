"""The operations of a model: the precision planned for each, what the device runs it as, and how long that takes beside float."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import openvino
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ovquant import runtime
from ovquant.domain.operation import Operation
from ovquant.domain.plan import Plan
from ovquant.domain.sample import Array
from ovquant.domain.typed import number
from ovquant.graph.pins import pinned
from ovquant.graph.precision import PASSED, is_constant, precisions, quantizers_of
from ovquant.measure.models import Models
from ovquant.runtime import Executed, How

FOLDED = "fused or folded"
"""The precision of an operation that no primitive runs or names."""
COMPUTING = ("Convolution", "Deconvolution", "FullyConnected", "GroupConvolution", "MatMul", "RNNCell", "RNNSeq")
"""The kinds of primitives whose precision decides the speed."""
PROFILED = {"PERF_COUNT": "YES"}
FEW = 0.05
"""The share of a model's time up to which what operations take says what they save."""
REQUESTS, SECONDS, MOST_ROUNDS = 8, 0.2, 200
"""How long the primitives of a model are timed: so many seconds or inferences, of so many samples in turn."""


def timed_operations(models: Models, plan: Plan) -> tuple[Operation, ...]:
    """Return the operations of a plan's model with the microseconds that they take there and in float as it is served.

    They are timed one by one inside the model, which slows it a little; what the model takes as a whole is timed without.
    """
    requests = runtime.requests_of(models.compiled(plan), models.splits.search, REQUESTS)
    models.release()
    in_float = _times(_run(models, models.float_plan, requests)[1], models.model)
    compiled, primitives = _run(models, plan, requests)
    computes = runtime.properties_of(compiled, [runtime.PRECISION]).get(runtime.PRECISION, "f32")
    model = runtime.core().read_model(models.build(plan))
    names = {} if models.normal is None else models.normal.names
    originals: dict[str, list[str]] = {}
    for original, name in names.items():
        originals.setdefault(name, []).append(original)
    return tuple(
        replace(operation, float_micros=_first(in_float, [operation.name, *originals.get(operation.name, [])]))
        for operation in operations_of(model, primitives, computes)
    )


def saving(models: Models, plan: Plan, bar: Plan) -> float:
    """Return the share of the bar's time that a plan may save, or any mixture of both, as operations taken one by one tell.

    What passes between operations is left out, such as conversions, so that mixtures save less. Of a plan that runs most of
    them as the bar does only the others count, since two timings of one operation differ.
    """
    if models.large:
        # Compiling it once more costs more than what can be saved by knowing.
        return 1.0
    key = {**models.built_key(plan, values=False), "beside": bar.key, "data": models.splits.search.inputs}
    return models.profile.measured(
        "saving", key, lambda: _saving(models, plan, bar), lambda value: number(value, "saving")
    )


def _saving(models: Models, plan: Plan, bar: Plan) -> float:
    requests = runtime.requests_of(models.compiled(plan), models.splits.search, REQUESTS)
    (bars, primitives), (plans, others), (_, again) = (_run(models, known, requests) for known in (bar, plan, bar))
    # Where shapes are open they show, and what runs with them, once a model has run.
    alike, likewise = runtime.operations_run(bars), runtime.operations_run(plans)
    whole, other = sum(map(sum, alike.values())), _beyond(alike, likewise)
    if not whole:
        return 1.0
    if other <= FEW * whole:
        return max(0.0, other - _beyond(likewise, alike)) / whole
    # The faster of the bar and the bar is luck, and so is as much of what a mixture saves.
    luck = 1 - _faster(primitives, again, {})
    return max(0.0, 1 - _faster(primitives, others, {} if models.normal is None else models.normal.names) - luck)


def _faster(bars: Sequence[Executed], plans: Sequence[Executed], renamed: Mapping[str, str]) -> float:
    """Return the sum of the faster of both, operation by operation, as a share of the bar's.

    Primitives that share an operation are taken together: one model may fuse what the other does not. What only the bar runs counts
    as saved. renamed: the names that operations have in plans.
    """
    numbers: dict[str, int] = {}
    links, times = list[tuple[int, int]](), list[tuple[int, int, float]]()
    for side, primitives in enumerate((bars, plans)):
        for item in primitives:
            places = [numbers.setdefault(renamed.get(name, name), len(numbers)) for name in item.operations]
            if places and item.micros is not None:
                links += [(places[0], place) for place in places]
                times.append((side, places[0], item.micros))
    if not links:
        return 0.0
    shape = (len(numbers), len(numbers))
    groups, group = connected_components(
        coo_array((np.ones(len(links)), np.transpose(links)), shape=shape), directed=False
    )
    sums = np.zeros((2, groups))
    for side, place, micros in times:
        sums[side, group[place]] += micros
    return float(np.minimum(*sums).sum() / sums[0].sum()) if sums[0].any() else 0.0


def _beyond(one: Mapping[How, list[float]], other: Mapping[How, list[float]]) -> float:
    """Return what the operations take that one model runs and the other does not run likewise."""
    return sum(max(0, len(times) - len(other.get(how, ()))) * float(np.mean(times)) for how, times in one.items())


def _run(
    models: Models, plan: Plan, requests: Sequence[Sequence[Array]]
) -> tuple[openvino.CompiledModel, list[Executed]]:
    """Compile a plan for timing its primitives, run it, and return it with these."""
    deployment = replace(models.deployment, properties={**plan.properties, **PROFILED})
    compiled = runtime.compile_model(models.build(plan), deployment)
    runtime.interleave([compiled], requests, seconds=SECONDS, least=3, most=MOST_ROUNDS)
    return compiled, runtime.executed(compiled)


def _times(primitives: list[Executed], model: openvino.Model) -> dict[str, float]:
    """Return the microseconds of the primitive that each operation of a model is in."""
    named = {name: item.micros for item in primitives for name in (item.name, *item.operations)}
    named |= {operation.name: operation.micros for operation in operations_of(model, primitives, "")}
    return {name: micros for name, micros in named.items() if micros is not None}


def _first(times: Mapping[str, float], names: Sequence[str]) -> float | None:
    return next((times[name] for name in names if name in times), None)


def operations_of(model: openvino.Model, primitives: list[Executed], computes: str) -> Iterator[Operation]:
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
        micros = None if found is None else found.micros
        yield Operation(name, kind, precision, executed, primitive.strip(), quantizers, micros)


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
