"""Decoders: what they take beside tokens, and how they are fed a prompt and then one token after another."""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray

from ovquant.domain.objective import Generation
from ovquant.domain.sample import Array, Dataset
from ovquant.errors import DataError, UsageError
from ovquant.graph.causes import first_line
from ovquant.graph.names import names_of
from ovquant.runtime.fit import fit
from ovquant.runtime.lengths import MASK
from ovquant.runtime.states import clean, has_state
from ovquant.runtime.supplied import BEAMS, IDS, POSITIONS, empty_past, is_past, named, past_of
from ovquant.runtime.timing import in_turn
from ovquant.runtime.values import dtype_of

MOST_PROMPTS = 16
LOGITS = "logits"
KNOWN = (IDS, MASK, POSITIONS, BEAMS)


def check_generates(inputs: Sequence[Any]) -> None:
    """Raise UsageError for a model that cannot be fed tokens; inputs: its input ports."""
    names = [named(port, name) for port, name in zip(inputs, names_of(inputs), strict=True)]
    other = [name for name in names if name not in KNOWN and not is_past(name)]
    if IDS not in names or other:
        what = f"has no input '{IDS}'" if IDS not in names else f"also takes '{other[0]}'"
        raise UsageError(
            f"--optimize first-token and next-token are for models that generate text from {', '.join(KNOWN)}; this one {what}. "
            "Optimise its latency or throughput instead."
        )


def prompts_of(compiled: openvino.CompiledModel, dataset: Dataset, generation: Generation) -> list[list[Array]]:
    """Return prompts and the tokens that follow each, int64 [1, tokens], from the texts of a dataset one after another.

    Texts that are too few are gone round. Raises UsageError for a model that cannot be fed tokens, and DataError for samples
    without any.
    """
    check_generates(compiled.inputs)
    ports = zip(compiled.inputs, names_of(compiled.inputs), strict=True)
    place = next(at for at, (port, name) in enumerate(ports) if named(port, name) == IDS)
    length, found = generation.prompt_tokens + generation.new_tokens, list[list[Array]]()
    row, number = np.zeros(0, np.int64), 0
    while len(found) < MOST_PROMPTS and (number < len(dataset) or not found):
        arrays = fit(compiled.inputs, dataset[number % len(dataset)], what=f"sample {number % len(dataset)}")
        row, number = np.concatenate([row, arrays[place].reshape(-1)]), number + 1
        if number > len(dataset) and not row.size:
            raise DataError("The data hold no tokens. Give texts.")
        if row.size >= length:
            found.append(np.split(row[None, :length].astype(np.int64), [generation.prompt_tokens], axis=1))
            row = np.zeros(0, np.int64)
    return found


class Feeder:
    """One request of a compiled decoder, which is fed tokens.

    What the model keeps of past tokens is its state, or goes from outputs to inputs; a model that keeps nothing is given all
    tokens again each time, as an application would have to. `given` is what it takes each time beside what follows from tokens, by name.
    """

    def __init__(self, compiled: openvino.CompiledModel, given: Mapping[str, Array] | None = None) -> None:
        self._request = compiled.create_infer_request()
        self._ports = [
            (named(port, name), port) for port, name in zip(compiled.inputs, names_of(compiled.inputs), strict=True)
        ]
        outputs = names_of(compiled.outputs)
        self._logits = outputs.index(LOGITS) if LOGITS in outputs else 0
        self._past = past_of([name for name, _ in self._ports], outputs)
        self._keeps = bool(self._past) or has_state(compiled)
        self._seen = np.zeros((1, 0), np.int64)
        self._kept: dict[str, Array] = {}
        self._given = given or {}

    def begin(self) -> None:
        """Forget all tokens."""
        clean(self._request)
        self._seen, self._kept = np.zeros((1, 0), np.int64), {}

    def feed(self, tokens: Array) -> float:
        """Take tokens [1, n] more, and return the milliseconds that the model took. Raises DataError where it fails."""
        known = self._seen.shape[1]
        self._seen = np.concatenate([self._seen, tokens], axis=1)
        first = known if self._keeps else 0
        inputs = [self._input(name, port, first) for name, port in self._ports]
        begin = time.perf_counter()
        try:
            self._request.infer(inputs)
        except RuntimeError as error:
            raise DataError(
                f"The model fails on {self._seen.shape[1]} tokens: {first_line(error)} Check --prompt-tokens and --new-tokens."
            ) from error
        took = (time.perf_counter() - begin) * 1e3
        self._kept = {name: np.array(self._request.get_output_tensor(at).data) for name, at in self._past.items()}
        return took

    def logits(self) -> Array:
        """Return what the model made of the tokens that it was last given, [1, tokens, vocabulary]."""
        return np.array(self._request.get_output_tensor(self._logits).data)

    def _input(self, name: str, port: Any, first: int) -> Array:
        if name in self._given:
            return self._given[name]
        tokens = self._seen[:, first:]
        values = {
            IDS: tokens,
            MASK: np.ones_like(self._seen),
            POSITIONS: np.arange(first, self._seen.shape[1])[None],
            BEAMS: np.zeros(1),
        }
        if name in values:
            return values[name].astype(dtype_of(port))
        return self._kept[name] if name in self._kept else empty_past(port)


def interleave_tokens(
    contenders: Sequence[openvino.CompiledModel],
    requests: Sequence[Sequence[Array]],
    *,
    seconds: float,
    least: int = 20,
    most: int = 2000,
    seed: int = 0,
    first: bool = False,
) -> NDArray[np.float64]:
    """Time decoders in turn while they generate: milliseconds, shape [rounds, contenders].

    requests: prompts, each with the tokens that follow. A round is one prompt where `first`, and else one token after it; each
    round has an order of its own, drawn from the seed. Ends after `seconds` once `least` rounds are done, or after `most` rounds.
    """
    random = np.random.default_rng(seed)
    feeders = [Feeder(contender) for contender in contenders]
    rows: list[list[float]] = []
    in_turn(feeders, partial(_prompted, texts=requests[0]), random)
    end, number = time.perf_counter() + seconds, 0

    def over() -> bool:
        return len(rows) >= most or (len(rows) >= least and time.perf_counter() >= end)

    while not over():
        prompt, following = requests[number % len(requests)]
        number += 1
        whole = in_turn(feeders, partial(_prompted, texts=[prompt]), random)
        if first:
            rows.append(whole)
            continue
        for place in range(following.shape[1]):
            if over():
                break
            token = following[:, place : place + 1]
            rows.append(in_turn(feeders, partial(Feeder.feed, tokens=token), random))
    return np.asarray(rows)


def _prompted(feeder: Feeder, texts: Sequence[Array]) -> float:
    """Feed a prompt from a clean state, and what else is given, and return what the last took."""
    feeder.begin()
    return [feeder.feed(tokens) for tokens in texts][-1]
