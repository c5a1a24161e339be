"""Time models in turn, so that the machine's drift hits all of them alike."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray

from ovquant.protocols import Array
from ovquant.runtime.states import clean, has_state


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
            clean(request).infer(list(inputs))
    rows: list[list[float]] = []
    end = time.perf_counter() + seconds
    while len(rows) < most and (len(rows) < least or time.perf_counter() < end):
        inputs = list(requests[len(rows) % len(requests)])
        row = [0.0] * len(running)
        order = range(len(running)) if len(rows) % 2 == 0 else reversed(range(len(running)))
        for position in order:
            request = clean(running[position])
            begin = time.perf_counter()
            request.infer(inputs)
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
    stateful = any(has_state(contender) for contender in contenders)
    burst = 8 * max(len(queue) for queue in queues)
    rows: list[list[float]] = []
    for queue in queues:
        _burst(queue, requests, len(queue), stateful=stateful)
    end = time.perf_counter() + seconds
    while len(rows) < most and (len(rows) < least or time.perf_counter() < end):
        order = list(range(len(queues)))
        row = [0.0] * len(queues)
        for position in order if len(rows) % 2 == 0 else reversed(order):
            row[position] = _burst(queues[position], requests, burst, stateful=stateful)
        rows.append(row)
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
