"""Images whose values from 0 to 255 go into a model of floats as they are."""

from collections.abc import Iterator

import numpy as np
import openvino

from ovquant.domain.sample import Array, Dataset
from ovquant.graph.names import names_of
from ovquant.graph.scale import scales
from ovquant.runtime import fit

LOOKED_AT = 8
"""Samples that are looked at."""
LEAST_BRIGHT, BRIGHTEST = 128, 255
"""What the brightest pixel of some images is at least and at most, where they are not scaled."""
LEAST_SIDE = 8


def pixel_doubts(model: openvino.Model, samples: Dataset) -> Iterator[str]:
    """Say which inputs of floats get images from 0 to 255 that neither the data nor the model scales.

    Many models take such values, so it is only worth saying where there is a reason to look for a mistake, or no score that
    would show one.
    """
    rows = [fit(model.inputs, samples[index]) for index in range(min(LOOKED_AT, len(samples)))]
    for port, name, arrays in zip(model.inputs, names_of(model.inputs), zip(*rows, strict=True), strict=True):
        if port.get_element_type().is_real() and all(map(_is_image, arrays)) and _unscaled(arrays) and not scales(port):
            yield (
                f"The images for the input '{name}' hold whole numbers from 0 to 255, and nothing scales them: if the model "
                "expects 0 to 1 or normalised values, scale them with scale, mean and std in preprocessing.toml, or in your "
                "data."
            )


def _is_image(array: Array) -> bool:
    """Tell whether an array is [N,C,H,W] or [N,H,W,C] of one, three or four channels."""
    if array.ndim != 4:
        return False
    _, *sides = array.shape
    channels, *others = sides if sides[0] <= sides[-1] else reversed(sides)
    return channels in (1, 3, 4) and min(others) >= LEAST_SIDE


def _unscaled(arrays: tuple[Array, ...]) -> bool:
    low, high = min(float(array.min()) for array in arrays), max(float(array.max()) for array in arrays)
    whole = all(np.array_equal(array, np.round(array)) for array in arrays)
    return low >= 0 and LEAST_BRIGHT <= high <= BRIGHTEST and whole
