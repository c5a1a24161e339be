"""Time models in turn, so that the machine's drift hits all of them alike."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import numpy as np
import openvino
from numpy.typing import NDArray

from ovquant.domain.sample import Array
from ovquant.runtime.states import clean, has_state

T = TypeVar("T")
Maker = Callable[[], openvino.CompiledModel]
"""Compiles a contender anew."""
Fitted = Callable[[openvino.CompiledModel], Sequence[Sequence[Array]]]
"""Returns the inputs of whole requests, fitted to a compiled model."""
Interleave = Callable[..., NDArray[np.float64]]
"""Times compiled models in turn, as `interleave` does."""


def heat(
    makers: Sequence[Maker],
    requests: Fitted,
    *,
    seconds: float,
    most: int,
    seed: int,
    interleaved: Interleave | None = None,
) -> NDArray[np.float64]:
    """Compile every contender anew, in an order drawn from the seed, and time them in turn, each as if it were the first.

    interleaved: how they are timed; `interleave` unless given. Returns milliseconds, shape [rounds, contenders]. Two
    compilations of one model differ by percents, and so do two places in an order: what is to be said of models must be seen
    over several heats.
    """
    order = [int(place) for place in np.random.default_rng(seed).permutation(len(makers))]
    compiled = {place: makers[place]() for place in order}
    times = (interleaved or interleave)(
        [compiled[place] for place in order], requests(compiled[0]), seconds=seconds, most=most, seed=seed
    )
    return times[:, np.argsort(order)]


def interleave(
    contenders: Sequence[openvino.CompiledModel],
    requests: Sequence[Sequence[Array]],
    *,
    seconds: float,
    least: int = 20,
    most: int = 2000,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Time single inferences of several models in turn on the same inputs.

    Returns milliseconds, shape [rounds, contenders]; each round has an order of its own, drawn from the seed, so that none
    always runs after the same neighbour. Ends after `seconds` once `least` rounds are done, or after `most` rounds.
    """
    random = np.random.default_rng(seed)
    running = [contender.create_infer_request() for contender in contenders]
    for request in running:
        for inputs in list(requests)[:3]:
            clean(request).infer(list(inputs))
    rows: list[list[float]] = []
    end = time.perf_counter() + seconds
    while len(rows) < most and (len(rows) < least or time.perf_counter() < end):
        inputs = list(requests[len(rows) % len(requests)])
        rows.append(in_turn(running, partial(_inference, inputs=inputs), random))
    return np.asarray(rows)


def in_turn(contenders: Sequence[T], step: Callable[[T], float], random: np.random.Generator) -> list[float]:
    """Return what a step takes with each contender, in their order; they take it in one that is drawn."""
    row = [0.0] * len(contenders)
    for position in random.permutation(len(contenders)):
        row[position] = step(contenders[position])
    return row


def _inference(request: Any, inputs: list[Array]) -> float:
    """Return the milliseconds of one inference, from a clean state."""
    clean(request)
    begin = time.perf_counter()
    request.infer(inputs)
    return (time.perf_counter() - begin) * 1e3


def interleave_throughput(
    contenders: Sequence[openvino.CompiledModel],
    requests: Sequence[Sequence[Array]],
    *,
    seconds: float,
    least: int = 5,
    most: int = 200,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Time bursts with all requests busy, model after model in turn; milliseconds per request, [rounds, contenders]."""
    random = np.random.default_rng(seed)
    queues = [openvino.AsyncInferQueue(contender) for contender in contenders]
    stateful = any(has_state(contender) for contender in contenders)
    burst = 8 * max(len(queue) for queue in queues)
    rows: list[list[float]] = []
    for queue in queues:
        _burst(queue, requests, len(queue), stateful=stateful)
    end = time.perf_counter() + seconds
    while len(rows) < most and (len(rows) < least or time.perf_counter() < end):
        rows.append(in_turn(queues, partial(_burst, requests=requests, count=burst, stateful=stateful), random))
    return np.asarray(rows)


def _burst(queue: Any, requests: Sequence[Sequence[Array]], count: int, *, stateful: bool) -> float:
    """Return milliseconds per request. Where requests keep state, each runs once before all are cleaned, off the clock."""
    part, seconds = len(queue) if stateful else count, 0.0
    for first in range(0, count, part):
        if stateful:
            for request in queue:
                clean(request)
        begin = time.perf_counter()
        for index in range(first, min(first + part, count)):
            queue.start_async(list(requests[index % len(requests)]))
        queue.wait_all()
        seconds += time.perf_counter() - begin
    return seconds * 1e3 / count
