"""bfloat16, which numpy lacks: openvino shows it as float16 of the same bits."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST = float(np.uint32(0x7F7F0000).view(np.float32))
"""The largest finite bfloat16."""


def narrowed(values: NDArray[Any]) -> NDArray[np.float16]:
    """Return values rounded to the nearest bfloat16, ties to even, as float16 of the same bits, which openvino takes."""
    bits = np.array(values, np.float32, order="C").view(np.uint32)
    # Half of the last bit kept, less one where that bit is even; a NaN stays one.
    rounded = (bits + np.uint32(0x7FFF) + ((bits >> 16) & 1)) >> 16
    kept = np.where(np.isnan(values), (bits >> 16) | 0x40, rounded)
    return kept.astype(np.uint16).view(np.float16)


def widened(halves: NDArray[np.float16]) -> NDArray[np.float32]:
    """Return the values of a bfloat16 array that openvino shows as float16; none is changed."""
    bits = np.array(halves, np.float16, order="C").view(np.uint16).astype(np.uint32) << 16
    return bits.view(np.float32)
