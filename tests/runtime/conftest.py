"""Small models to compile."""

import numpy as np
import openvino
from openvino import opset13 as ops

from tests.quantization.conftest import language

__all__ = ["F32", "doubler", "language", "mixer"]

F32 = {"INFERENCE_PRECISION_HINT": "f32"}


def doubler(shape: list[int], kind: str = "f32") -> openvino.Model:
    """x of any shape and type → twice that, as f32."""
    port = ops.parameter(shape, getattr(openvino.Type, kind))
    port.output(0).get_tensor().set_names({"x"})
    source = port if kind == "f32" else ops.convert(port, "f32")
    made = openvino.Model([ops.multiply(source, ops.constant(np.float32(2)))], [port], "doubler")
    made.outputs[0].get_tensor().set_names({"twice"})
    return made


def mixer() -> openvino.Model:
    """x[?,4] and shift[?,4] → their sum, and the product of both."""
    x, shift = (ops.parameter([-1, 4], np.float32, name=name) for name in ("x", "shift"))
    x.output(0).get_tensor().set_names({"x"})
    shift.output(0).get_tensor().set_names({"shift"})
    made = openvino.Model([ops.add(x, shift), ops.multiply(x, shift)], [x, shift], "mixer")
    for port, name in zip(made.outputs, ("sum", "product"), strict=True):
        port.get_tensor().set_names({name})
    return made
