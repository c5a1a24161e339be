"""Values between numpy's types and a model's: none is misread, and none is changed in silence."""

from typing import Any

import numpy as np
import openvino

from ovquant.domain.bfloats import LARGEST, narrowed, widened
from ovquant.domain.sample import Array
from ovquant.errors import DataError, ModelError

READABLE = {"boolean", "bf16", "f16", "f32", "f64", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64"}
"""The types of inputs and outputs that can be given and read, by openvino's names."""


def kind_of(port: Any) -> str:
    """Return openvino's name of a port's element type."""
    return str(port.get_element_type().get_type_name())


def check_kind(port: Any, name: str, role: str) -> None:
    """Raise ModelError for an input or output whose type numpy lacks; role: "input" or "output"."""
    kind = kind_of(port)
    if kind not in READABLE:
        raise ModelError(
            f"The model's {role} '{name}' is of the type {kind}, whose values numpy lacks. Give it another one, such as f32 "
            f"or u8, with openvino.preprocess.PrePostProcessor(model).{role}(…).tensor().set_element_type(…), or take the "
            "part of the model that needs it out."
        )


def cast(port: Any, name: str, array: Array, what: str) -> Array:
    """Return an array in an input's type, as openvino takes it: bfloat16 is float16 of the same bits.

    Raises DataError for a kind of number that does not fit, and for values outside the type's range.
    """
    check_kind(port, name, "input")
    kind, dtype = kind_of(port), dtype_of(port)
    if not np.can_cast(array.dtype, dtype, "same_kind") and not (array.dtype.kind in "iub" and dtype.kind in "iuf"):
        raise DataError(
            f"The model's input '{name}' expects {dtype} values and {what} has {array.dtype} ones. "
            "Convert the data, or put the conversion into the model."
        )
    if kind == "bf16" or not np.can_cast(array.dtype, dtype, "safe"):
        _check_range(array, kind, dtype, f"The model's input '{name}'", what)
    whole = np.asarray(array, dtype=dtype, order="C")
    return narrowed(whole) if kind == "bf16" else whole


def dtype_of(port: Any) -> np.dtype[Any]:
    """Return the numpy type whose values a port's type holds; float32 holds those of bfloat16."""
    return np.dtype(np.float32 if kind_of(port) == "bf16" else port.get_element_type().to_dtype())


def values_of(tensor: openvino.Tensor) -> Array:
    """Return a copy of a tensor's values; those of bfloat16 as float32."""
    return widened(tensor.data) if kind_of(tensor) == "bf16" else np.array(tensor.data)


def outputs_of(request: Any) -> list[Array]:
    """Return a copy of each output of a request that is done, in the model's order."""
    return [values_of(tensor) for tensor in request.output_tensors]


def _check_range(array: Array, kind: str, dtype: np.dtype[Any], where: str, what: str) -> None:
    finite = array[np.isfinite(array)] if array.dtype.kind == "f" else array
    if dtype.kind not in "iuf" or finite.size == 0:
        return
    if dtype.kind == "f":
        highest: float = LARGEST if kind == "bf16" else float(np.finfo(dtype).max)
        lowest = -highest
    else:
        lowest, highest = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    for value in (finite.min().item(), finite.max().item()):
        if not lowest <= value <= highest:
            raise DataError(
                f"{where} takes {kind} values, from {lowest:.6g} to {highest:.6g}, and {what} has {value:.10g}. Correct the "
                "data, or give the input a wider type."
            )
