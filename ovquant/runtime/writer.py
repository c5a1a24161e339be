"""Text that a model writes itself: the likeliest token each time, after a prompt."""

from collections.abc import Collection, Sequence
from typing import Protocol

import numpy as np
import openvino

from ovquant.domain.sample import Array, Generate, Sample
from ovquant.errors import DataError
from ovquant.graph.names import names_of
from ovquant.runtime.batches import known
from ovquant.runtime.decoder import LOGITS, feeder_of
from ovquant.runtime.fit import fit
from ovquant.runtime.states import clean
from ovquant.runtime.supplied import IDS, POSITIONS, WRITTEN, WRITTEN_MASK, named


class Fed(Protocol):
    """What is fed tokens: a `decoder.Feeder`, one behind an encoder, or `Anew`."""

    def begin(self, sample: Sequence[Array] = ()) -> None: ...

    def feed(self, tokens: Array) -> float: ...

    def logits(self) -> Array: ...


def greedy(feeder: Fed, tokens: Array, count: int, stop: Collection[int] = ()) -> list[int]:
    """Return the likeliest tokens behind some that are fed first, `[1, n]`: so many, or fewer where logits are NaN or one is in `stop`."""
    found = list[int]()
    while len(found) < count:
        feeder.feed(tokens)
        logits = feeder.logits()[0, -1]
        token = int(logits.argmax())
        if token in stop or np.isnan(logits).any():
            break
        found.append(token)
        tokens = np.array([[token]])
    return found


class Writer:
    """One request of a compiled model, which writes: a decoder, or an encoder with a decoder behind it."""

    def __init__(self, compiled: openvino.CompiledModel) -> None:
        self._inputs = compiled.inputs
        names = [named(port, name) for port, name in zip(compiled.inputs, names_of(compiled.inputs), strict=True)]
        if IDS not in names and WRITTEN not in names:
            raise DataError(
                f"The data ask for what the model writes, and it takes neither {IDS} nor {WRITTEN}, but {', '.join(names)}."
            )
        self._place = names.index(WRITTEN if WRITTEN in names else IDS)
        together = WRITTEN in names and known(compiled).parts is None
        self._feeder: Fed = Anew(compiled, names) if together else feeder_of(compiled)

    def write(self, sample: Sample, generate: Generate) -> list[int]:
        """Return the tokens that are written behind a sample's prompt, without the one that ends a text; none where logits are NaN."""
        arrays = fit(self._inputs, sample)
        ids = arrays[self._place].reshape(1, -1)
        self._feeder.begin(arrays)
        tokens = ids[:, : generate.prompt] if generate.prompt else ids
        return greedy(self._feeder, tokens, generate.max_new_tokens, generate.stop)


class Anew:
    """An encoder with a decoder behind it, not known apart: both are run again for each token."""

    def __init__(self, compiled: openvino.CompiledModel, names: Sequence[str]) -> None:
        self._request, self._inputs, self._names = compiled.create_infer_request(), compiled.inputs, names
        outputs = names_of(compiled.outputs)
        self._logits = outputs.index(LOGITS) if LOGITS in outputs else 0
        self._given: dict[str, Array] = {}
        self._written = np.zeros((1, 0), np.int64)

    def begin(self, sample: Sequence[Array] = ()) -> None:
        """Begin with a sample, the inputs of the model in its order."""
        follow = (WRITTEN, WRITTEN_MASK, POSITIONS)
        self._given = {name: array for name, array in zip(self._names, sample, strict=True) if name not in follow}
        self._written = np.zeros((1, 0), np.int64)

    def feed(self, tokens: Array) -> float:
        """Take tokens [1, n] more; it is not timed."""
        self._written = np.concatenate([self._written, tokens], axis=1)
        clean(self._request).infer(fit(self._inputs, Sample({**self._given, WRITTEN: self._written})))
        return 0.0

    def logits(self) -> Array:
        """Return what the decoder made of all tokens so far, [1, tokens, vocabulary]."""
        return np.array(self._request.get_output_tensor(self._logits).data)
