"""How far outputs are from float's."""

from collections.abc import Sequence

import numpy as np
import openvino

from ovquant.domain.sample import Array, Dataset
from ovquant.runtime import infer

DIVERGENCE_SAMPLES = 64
DIVERGENCE_BYTES = 128 * 2**20
"""How many samples outputs are compared on, and the bytes of outputs that are kept for it at most."""


def divergence(found: Sequence[dict[str, Array]], expected: Sequence[dict[str, Array]]) -> float:
    """Return the mean over samples and outputs of the relative squared error of a model's outputs.

    found, expected: one mapping by output name per sample, of the same samples. Zero is equal; one is as far off as an
    output of zeros. Outputs of integers count the share that differs.
    """
    # By position: a device names outputs that have no name, anew in each model.
    errors = [
        relative_error(mine, truth)
        for outputs, wanted in zip(found, expected, strict=True)
        for mine, truth in zip(outputs.values(), wanted.values(), strict=True)
    ]
    return float(np.mean(errors))


def relative_error(outputs: Array, truth: Array) -> float:
    """Return the squared error of an output relative to its square; of integers the share that differs."""
    if outputs.shape != truth.shape:
        return 1.0
    if truth.dtype.kind not in "fc":
        return float(np.mean(outputs != truth)) if truth.size else 0.0
    error = float(np.square(outputs.astype(np.float64) - truth).sum())
    power = float(np.square(truth.astype(np.float64)).sum())
    if not np.isfinite(error):
        return 1e6
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
