"""Per-operation reference: the sum over operations of the faster of float and default INT8, each as it was executed.

Not a bound: conversions between precisions are left out, and fusion changes with the neighbours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import openvino

REPEATS = 10


@dataclass(frozen=True)
class Executed:
    """One primitive: microseconds, and the original operations in it."""

    micros: float
    names: frozenset[str]


def reference(plain: openvino.CompiledModel, int8: openvino.CompiledModel, requests: Sequence[Any]) -> dict[str, Any]:
    """Return microseconds: float, INT8 and the sum of the faster; both models compiled with PERF_COUNT.

    Primitives that share an original operation are one group, since a model may fuse what the other does not.
    """
    sides = [_executed(plain, requests), _executed(int8, requests)]
    groups: list[tuple[set[str], list[float]]] = []
    for side, nodes in enumerate(sides):
        for node in nodes:
            touched = [group for group in groups if group[0] & node.names]
            merged = (set(node.names).union(*(group[0] for group in touched)), [0.0, 0.0])
            for group in touched:
                merged[1][0] += group[1][0]
                merged[1][1] += group[1][1]
                groups.remove(group)
            merged[1][side] += node.micros
            groups.append(merged)
    # What one model alone has a time for was folded or fused away in the other: float's time stands, INT8's does not.
    faster = sum(min(times) if all(times) else times[0] for _, times in groups)
    totals = [sum(node.micros for node in nodes) for nodes in sides]
    return {"float_us": totals[0], "int8_us": totals[1], "faster_us": faster, "ratio": faster / totals[0]}


def _executed(compiled: openvino.CompiledModel, requests: Sequence[Any]) -> list[Executed]:
    """Run the model and return its primitives with their mean times."""
    running = compiled.create_infer_request()
    for _ in range(REPEATS):
        for arrays in requests:
            running.infer(list(arrays))
    nodes = []
    for node in compiled.get_runtime_model().get_ordered_ops():
        info = {key: str(value.astype(str)) for key, value in node.get_rt_info().items() if hasattr(value, "astype")}
        micros, names = info.get("execTimeMcs", ""), info.get("originalLayersNames", "")
        if micros.isdigit():
            nodes.append(Executed(float(micros), frozenset(name for name in names.split(",") if name)))
    return nodes
