"""Which operations make a model's outputs differ from another's, and how much of it each brings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import openvino

from ovquant.domain.progress import Progress, silent
from ovquant.domain.sample import Array
from ovquant.graph.taps import apart, fed_at, tapped
from ovquant.measure.divergence import relative_error
from ovquant.runtime import Deployment, compile_model

MOST_TRACED = 12
"""Operations whose effect on the outputs is measured, those that are furthest off by themselves first."""


@dataclass(frozen=True)
class Fault:
    """How far one operation is off, as relative squared errors; zero is equal, one is as far off as an output of zeros.

    `own` is what it is off by when it is given what the first model gives it, `so_far` when it gets what comes to it in the
    other model. `effect` is how far the outputs of the first model are off with this one operation's error alone, None where that was
    not measured, and `share` that of all effects.
    """

    name: str
    kind: str
    own: float
    so_far: float
    effect: float | None = None
    share: float | None = None


def faults(
    model: openvino.Model,
    other: openvino.Model,
    names: Sequence[str],
    samples: Sequence[Sequence[Array]],
    *,
    deployments: tuple[Deployment, Deployment],
    progress: Progress = silent,
) -> tuple[list[Fault], float]:
    """Return how far each shared operation of another model is off, in its order, and the outputs at the end.

    names: of shared operations. samples: the inputs of whole requests. deployments: of the model and of the other one.
    """
    here, there = deployments
    values = compile_model(tapped(model, names), here)
    reached = compile_model(tapped(other, names), there)
    alone = compile_model(apart(other, names), there)
    count, outputs = len(names), len(model.outputs)
    own, so_far, end = np.zeros((len(samples), count)), np.zeros((len(samples), count)), np.zeros(len(samples))
    made, given = list[list[Array]](), list[list[Array]]()
    for row, inputs in enumerate(samples):
        progress("running both models", row, len(samples))
        truth, found = _outputs(values, inputs), _outputs(reached, inputs)
        single = _outputs(alone, [*inputs, *truth[outputs:]])
        own[row] = _errors(single, truth[outputs:])
        so_far[row] = _errors(found[outputs:], truth[outputs:])
        end[row] = float(np.mean(_errors(found[:outputs], truth[:outputs])))
        made.append(single)
        given.append(truth[:outputs])
    kinds = {operation.get_friendly_name(): operation.get_type_name() for operation in other.get_ordered_ops()}
    found_faults = [
        Fault(name, kinds[name], float(own[:, place].mean()), float(so_far[:, place].mean()))
        for place, name in enumerate(names)
    ]
    worst = sorted(range(count), key=lambda place: -found_faults[place].own)[:MOST_TRACED]
    effects: dict[int, float] = {}
    for step, place in enumerate(worst):
        progress("tracing errors to the outputs", step, len(worst))
        if found_faults[place].own > 0:
            fed = compile_model(fed_at(model, names[place]), here)
            errors = [
                np.mean(_errors(_outputs(fed, [*inputs, single[place]]), truth))
                for inputs, single, truth in zip(samples, made, given, strict=True)
            ]
            effects[place] = float(np.mean(errors))
    return _shared(found_faults, effects), float(end.mean())


def _shared(found: Sequence[Fault], effects: Mapping[int, float]) -> list[Fault]:
    whole = sum(effects.values())
    return [
        replace(fault, effect=effects[place], share=effects[place] / whole if whole else 0.0)
        if place in effects
        else fault
        for place, fault in enumerate(found)
    ]


def _errors(found: Sequence[Array], truth: Sequence[Array]) -> list[float]:
    return [relative_error(mine, wanted) for mine, wanted in zip(found, truth, strict=True)]


def _outputs(compiled: openvino.CompiledModel, inputs: Sequence[Array]) -> list[Array]:
    request = compiled.create_infer_request()
    request.infer(list(inputs))
    return [np.array(request.get_output_tensor(place).data) for place in range(len(compiled.outputs))]
