"""Images from 0 to 255 in a model of floats are told where nothing scales them."""

from collections.abc import Callable

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from ovquant.domain.sample import Sample
from ovquant.measure.pixels import pixel_doubts

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 3, 16, 16)).astype(np.uint8)
Step = Callable[[openvino.Node], openvino.Node]


def model(step: Step = ops.relu, kind: type = np.float32) -> openvino.Model:
    port = ops.parameter([-1, 3, 16, 16], kind, name="image")
    port.output(0).get_tensor().set_names({"image"})
    return openvino.Model([step(port)], [port], "net")


def doubts(data: np.ndarray, made: openvino.Model | None = None) -> list[str]:
    return list(pixel_doubts(made or model(), [Sample(image) for image in data]))


def test_unscaled_images_are_told_by_input() -> None:
    (doubt,) = doubts(PIXELS)
    assert doubt.startswith(
        "The images for the input 'image' hold whole numbers from 0 to 255, and nothing scales them"
    )
    assert doubts(PIXELS.astype(np.float32)) == [doubt]


@pytest.mark.parametrize("data", [PIXELS / np.float32(255), PIXELS.astype(np.float32) - 127, PIXELS % 20])
def test_scaled_images_and_small_numbers_are_fine(data: np.ndarray) -> None:
    assert doubts(data) == []


def test_a_model_that_scales_or_takes_integers_is_fine() -> None:
    assert doubts(PIXELS, model(lambda port: ops.multiply(port, ops.constant(np.float32(1 / 255))))) == []
    assert doubts(PIXELS, model(lambda port: ops.convert(port, np.float32), np.uint8)) == []


def test_what_is_no_image_is_fine() -> None:
    port = ops.parameter([-1, 300], np.float32)
    made = openvino.Model([ops.relu(port)], [port], "net")
    assert list(pixel_doubts(made, [Sample(np.arange(300) % 256)])) == []
