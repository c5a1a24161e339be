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


@dataclass(frozen=True)
class _Run:
    """One request through both models: what the first makes of it, what each operation makes of that, and how far all are off."""

    inputs: Sequence[Array]
    outputs: Sequence[Array]
    alone: Sequence[Array]
    own: Sequence[float]
    so_far: Sequence[float]
    end: float


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
    runs = _runs(model, other, names, samples, deployments, progress)
    own, so_far = (np.mean([getattr(run, name) for run in runs], axis=0) for name in ("own", "so_far"))
    kinds = {operation.get_friendly_name(): operation.get_type_name() for operation in other.get_ordered_ops()}
    found = [
        Fault(name, kinds[name], float(mine), float(all_of_it))
        for name, mine, all_of_it in zip(names, own, so_far, strict=True)
    ]
    order = sorted(range(len(names)), key=lambda place: -found[place].own)
    worst = [place for place in order[:MOST_TRACED] if found[place].own > 0]
    effects = {}
    for step, place in enumerate(worst):
        progress("tracing errors to the outputs", step, len(worst))
        effects[place] = _effect(fed_at(model, names[place]), deployments[0], runs, place)
    return _shared(found, effects), float(np.mean([run.end for run in runs]))


def _runs(
    model: openvino.Model,
    other: openvino.Model,
    names: Sequence[str],
    samples: Sequence[Sequence[Array]],
    deployments: tuple[Deployment, Deployment],
    progress: Progress,
) -> list[_Run]:
    here, there = deployments
    values, reached = compile_model(tapped(model, names), here), compile_model(tapped(other, names), there)
    alone, count, found = compile_model(apart(other, names), there), len(model.outputs), list[_Run]()
    for row, inputs in enumerate(samples):
        progress("running both models", row, len(samples))
        truth, made = _outputs(values, inputs), _outputs(reached, inputs)
        single = _outputs(alone, [*inputs, *truth[count:]])
        own, so_far = _errors(single, truth[count:]), _errors(made[count:], truth[count:])
        end = float(np.mean(_errors(made[:count], truth[:count])))
        found.append(_Run(inputs, truth[:count], single, own, so_far, end))
    return found


def _effect(fed: openvino.Model, deployment: Deployment, runs: Sequence[_Run], place: int) -> float:
    """Return how far the first model's outputs are off where one operation's output is what the other model makes of its inputs."""
    compiled = compile_model(fed, deployment)
    errors = [np.mean(_errors(_outputs(compiled, [*run.inputs, run.alone[place]]), run.outputs)) for run in runs]
    return float(np.mean(errors))


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
