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
from ovquant.graph.pairs import HIDDEN, SHARED
from ovquant.runtime.batches import known
from ovquant.runtime.fit import fit
from ovquant.runtime.lengths import MASK
from ovquant.runtime.states import clean, has_state
from ovquant.runtime.supplied import BEAMS, IDS, POSITIONS, WRITTEN, empty_past, is_past, named, past_of
from ovquant.runtime.timing import in_turn
from ovquant.runtime.values import dtype_of

MOST_PROMPTS = 16
LOGITS = "logits"
KNOWN = (IDS, MASK, POSITIONS, BEAMS)


def check_generates(inputs: Sequence[Any]) -> None:
    """Raise UsageError for a model that cannot be fed tokens; inputs: its input ports."""
    names = [named(port, name) for port, name in zip(inputs, names_of(inputs), strict=True)]
    other = [name for name in names if name not in KNOWN and not is_past(name)]
    # What else it takes is the encoder's.
    if WRITTEN not in names and (IDS not in names or other):
        what = f"has no input '{IDS}'" if IDS not in names else f"also takes '{other[0]}'"
        raise UsageError(
            f"--optimize first-token and next-token are for models that generate text from {', '.join(KNOWN)}; this one {what}. "
            "Optimise its latency or throughput instead."
        )


def prompts_of(compiled: openvino.CompiledModel, dataset: Dataset, generation: Generation) -> list[list[Array]]:
    """Return prompts and the tokens that follow each, int64 [1, tokens], from the texts of a dataset one after another.

    Behind an encoder these are the decoder's, and the inputs of a sample follow, in the model's order. Texts that are too few are gone
    round. Raises UsageError for a model that cannot be fed tokens, and DataError for samples without any.
    """
    check_generates(compiled.inputs)
    names = [named(port, name) for port, name in zip(compiled.inputs, names_of(compiled.inputs), strict=True)]
    if WRITTEN in names and known(compiled).parts is None:
        raise UsageError(
            f"The model takes {WRITTEN}, and it is not known which part of it is the encoder. Give the folder with encoder and decoder."
        )
    place, behind = names.index(WRITTEN if WRITTEN in names else IDS), WRITTEN in names
    length, found = generation.prompt_tokens + generation.new_tokens, list[list[Array]]()
    row, number = np.zeros(0, np.int64), 0
    while len(found) < MOST_PROMPTS and (number < len(dataset) or not found):
        arrays = fit(compiled.inputs, dataset[number % len(dataset)], what=f"sample {number % len(dataset)}")
        row, number = np.concatenate([row, arrays[place].reshape(-1)]), number + 1
        if number > len(dataset) and not row.size:
            raise DataError("The data hold no tokens. Give texts.")
        if row.size >= length:
            parts = np.split(row[None, :length].astype(np.int64), [generation.prompt_tokens], axis=1)
            found.append([*parts, *(arrays if behind else [])])
            row = np.zeros(0, np.int64)
    return found


class Feeder:
    """One request of a compiled decoder, which is fed tokens.

    What the model keeps of past tokens is its state, or goes from outputs to inputs; a model that keeps nothing is given all
    tokens again each time, as an application would have to. `given` is what it takes each time beside what follows from tokens, by name.
    """

    def __init__(self, compiled: openvino.CompiledModel) -> None:
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
        self.given: Mapping[str, Array] = {}

    def begin(self, sample: Sequence[Array] = ()) -> None:
        """Forget all tokens; `sample` is what an encoder would read."""
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
        if name in self.given:
            return self.given[name]
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


class Behind:
    """An encoder and the decoder that reads it: the first tokens of a sample take the encoder's time too."""

    def __init__(
        self, encoder: openvino.CompiledModel, decoder: openvino.CompiledModel, whole: openvino.CompiledModel
    ) -> None:
        self._names, self._inputs = names_of(whole.inputs), names_of(encoder.inputs)
        self._encoder, self._decoder = encoder.create_infer_request(), Feeder(decoder)
        self._sample: dict[str, Array] = {}

    def begin(self, sample: Sequence[Array] = ()) -> None:
        """Begin with a sample, the inputs of the whole in its order."""
        self._decoder.begin()
        self._sample, self._decoder.given = dict(zip(self._names, sample, strict=True)), {}

    def feed(self, tokens: Array) -> float:
        """Take tokens [1, n] more, and return the milliseconds that the models took."""
        took = 0.0 if self._decoder.given else self._read()
        return took + self._decoder.feed(tokens)

    def logits(self) -> Array:
        """Return what the decoder made of the tokens that it was last given, [1, tokens, vocabulary]."""
        return self._decoder.logits()

    def _read(self) -> float:
        """Run the encoder, and return the milliseconds that it took."""
        inputs = [self._sample[name] for name in self._inputs]
        begin = time.perf_counter()
        self._encoder.infer(inputs)
        took = (time.perf_counter() - begin) * 1e3
        shared = {name: self._sample[other] for name, other in SHARED.items() if other in self._sample}
        self._decoder.given = {HIDDEN: np.array(self._encoder.get_output_tensor(0).data), **shared}
        return took


def feeder_of(compiled: openvino.CompiledModel) -> Feeder | Behind:
    """Return what feeds a compiled model tokens: a decoder, or one behind the encoder that it was joined with."""
    parts = known(compiled).parts
    return Feeder(compiled) if parts is None else Behind(*parts(), compiled)


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

    requests: prompts, each with the tokens that follow, and with what an encoder reads. A round is one prompt where `first`, and else one token after it; each
    round has an order of its own, drawn from the seed. Ends after `seconds` once `least` rounds are done, or after `most` rounds.
    """
    random = np.random.default_rng(seed)
    feeders = [feeder_of(contender) for contender in contenders]
    rows: list[list[float]] = []
    in_turn(feeders, partial(_prompted, texts=requests[0][:2], sample=requests[0][2:]), random)
    end, number = time.perf_counter() + seconds, 0

    def over() -> bool:
        return len(rows) >= most or (len(rows) >= least and time.perf_counter() >= end)

    while not over():
        prompt, following, *sample = requests[number % len(requests)]
        number += 1
        whole = in_turn(feeders, partial(_prompted, texts=[prompt], sample=sample), random)
        if first:
            rows.append(whole)
            continue
        for place in range(following.shape[1]):
            if over():
                break
            token = following[:, place : place + 1]
            rows.append(in_turn(feeders, partial(_fed, tokens=token), random))
    return np.asarray(rows)


def _fed(feeder: Feeder | Behind, tokens: Array) -> float:
    return feeder.feed(tokens)


def _prompted(feeder: Feeder | Behind, texts: Sequence[Array], sample: Sequence[Array]) -> float:
    """Feed a prompt from a clean state, and what else is given, and return what the last took."""
    feeder.begin(sample)
    return [feeder.feed(tokens) for tokens in texts][-1]
