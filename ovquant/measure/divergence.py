"""How far outputs are from float's."""

from collections.abc import Sequence

import numpy as np
import openvino
from scipy.special import log_softmax

from ovquant.domain.sample import Array, Dataset
from ovquant.graph.pairs import CUT
from ovquant.runtime import infer

DIVERGENCE_SAMPLES = 64
DIVERGENCE_BYTES = 128 * 2**20
"""How many samples outputs are compared on, and the bytes of outputs that are kept for it at most."""


LOGITS = "logits"
"""The output of models that tell how likely each class or token is."""
BROKEN = 1e6
"""What an output counts that is NaN or infinite."""


def divergence(found: Sequence[dict[str, Array]], expected: Sequence[dict[str, Array]]) -> float:
    """Return how far a model's outputs are off, the mean over samples and outputs; zero is equal.

    found, expected: one mapping by output name per sample, of the same samples. An output counts by its relative squared error, of
    which one is as far off as an output of zeros; one of integers by the share that differs; and `logits` by the
    Kullback-Leibler divergence of their likelihoods from float's, in nats, the mean over positions: their squares are those of a few
    classes that are never likely.
    """
    # By position: a device names outputs that have no name, anew in each model.
    errors = [
        _unlikeness(mine, truth) if name == LOGITS and truth.ndim > 1 else relative_error(mine, truth)
        for outputs, wanted in zip(found, expected, strict=True)
        for mine, (name, truth) in zip(outputs.values(), wanted.items(), strict=True)
        # Of encoder and decoder, what the decoder makes of it tells.
        if name != CUT
    ]
    return float(np.mean(errors))


def _unlikeness(logits: Array, truth: Array) -> float:
    if logits.shape != truth.shape:
        return 1.0
    # In f64 this takes six times as long.
    mine, theirs = (log_softmax(values.astype(np.float32, copy=False), axis=-1) for values in (logits, truth))
    with np.errstate(invalid="ignore"):
        # A class that is impossible, as one that is masked out, adds nothing.
        terms = np.where(np.isneginf(theirs), np.float32(0), np.exp(theirs) * (theirs - mine))
    found = float(terms.sum(-1, dtype=np.float64).mean()) if truth.size else 0.0
    return max(0.0, found) if np.isfinite(found) else BROKEN


def relative_error(outputs: Array, truth: Array) -> float:
    """Return the squared error of an output relative to its square; of integers the share that differs."""
    if outputs.shape != truth.shape:
        return 1.0
    if truth.dtype.kind not in "fc":
        return float(np.mean(outputs != truth)) if truth.size else 0.0
    error = float(np.square(outputs.astype(np.float64) - truth).sum())
    power = float(np.square(truth.astype(np.float64)).sum())
    if not np.isfinite(error):
        return BROKEN
    return error / power if power > 0 else float(error > 0)


def outputs_of(
    compiled: openvino.CompiledModel, dataset: Dataset, *, count: int, most_bytes: int | None = None
) -> list[dict[str, Array]]:
    """Return the outputs of the first samples: `count` of them, or fewer (four at least) to stay under a size."""
    kept: list[dict[str, Array]] = []
    size = 0
    for block in infer(compiled, dataset, stop=count):
        for outputs in block.outputs:
            size += sum(array.nbytes for array in outputs.values())
            if most_bytes is not None and len(kept) >= 4 and size > most_bytes:
                return kept
            kept.append(outputs)
    return kept
