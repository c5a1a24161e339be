"""Text that a model writes itself: the likeliest token each time, after a prompt."""

from collections.abc import Callable
from typing import Any

import numpy as np
import openvino

from ovquant.domain.sample import Array, Generate, Sample
from ovquant.errors import DataError
from ovquant.graph.names import names_of
from ovquant.runtime.batches import known
from ovquant.runtime.decoder import LOGITS, feeder_of
from ovquant.runtime.fit import fit
from ovquant.runtime.states import clean
from ovquant.runtime.supplied import IDS, WRITTEN, named

Next = Callable[[Array], Array]
"""Takes tokens `[1, n]` more, and returns the logits of the next one."""


class Writer:
    """One request of a compiled model, which writes: a decoder, or an encoder with a decoder behind it."""

    def __init__(self, compiled: openvino.CompiledModel) -> None:
        self._compiled = compiled
        self._inputs = [
            named(port, name) for port, name in zip(compiled.inputs, names_of(compiled.inputs), strict=True)
        ]
        if IDS not in self._inputs and WRITTEN not in self._inputs:
            raise DataError(
                f"The data ask for what the model writes, and it takes neither {IDS} nor {WRITTEN}, but {', '.join(self._inputs)}."
            )
        self._tokens = WRITTEN if WRITTEN in self._inputs else IDS
        known_apart = self._tokens == IDS or known(compiled).parts is not None
        self._feeder = feeder_of(compiled) if known_apart else None

    def write(self, sample: Sample, generate: Generate) -> list[int]:
        """Return the tokens that are written behind a sample's prompt, without the one that ends a text; none where logits are NaN."""
        ids = self._given(sample)[self._tokens].reshape(1, -1)
        tokens = ids[:, : generate.prompt] if generate.prompt else ids
        following = self._following(sample)
        found = list[int]()
        while len(found) < generate.max_new_tokens:
            logits = following(tokens)
            token = int(logits.argmax())
            if token in generate.stop or np.isnan(logits).any():
                break
            found.append(token)
            tokens = np.array([[token]])
        return found

    def _given(self, sample: Sample) -> dict[str, Array]:
        """Return what the model takes of a sample, by name."""
        return dict(zip(self._inputs, fit(self._compiled.inputs, sample), strict=True))

    def _following(self, sample: Sample) -> Next:
        """Return what takes the tokens of a text that begins."""
        if self._feeder is None:
            return self._whole(sample)
        feeder = self._feeder
        feeder.begin(list(self._given(sample).values()))

        def following(tokens: Array) -> Array:
            feeder.feed(tokens)
            return np.asarray(feeder.logits()[0, -1])

        return following

    def _whole(self, sample: Sample) -> Next:
        """Return what runs encoder and decoder for each token anew, where they are not known apart."""
        request, outputs = self._compiled.create_infer_request(), names_of(self._compiled.outputs)
        place = outputs.index(LOGITS) if LOGITS in outputs else 0
        inputs: Any = sample.inputs
        written = np.zeros((1, 0), np.int64)

        def following(tokens: Array) -> Array:
            nonlocal written
            written = np.concatenate([written, tokens], axis=1)
            clean(request).infer(list(self._given(Sample({**inputs, WRITTEN: written})).values()))
            return np.array(request.get_output_tensor(place).data[0, -1])

        return following
