"""A model of bfloat16 in f32, where statistics can be taken: numpy has no bfloat16, and NNCF reads it as float16."""

import openvino
from openvino import opset13 as ops
from openvino.preprocess import PrePostProcessor

from ovquant.domain.bfloats import widened
from ovquant.domain.sample import Array
from ovquant.errors import ModelError

BF16, F32 = openvino.Type.bf16, openvino.Type.f32


def holds_bfloats(model: openvino.Model) -> bool:
    """Tell whether any value in a model, those in the bodies of control flow aside, is of bfloat16."""
    return any(output.get_element_type() == BF16 for operation in model.get_ops() for output in operation.outputs())


def in_float32(model: openvino.Model) -> openvino.Model:
    """Return a copy whose bfloat16 inputs, constants and arithmetic are f32: no value of the model changes.

    Raises ModelError naming an operation that cannot be moved.
    """
    copy = model.clone()
    for operation in copy.get_ordered_ops():
        kind = operation.get_type_name()
        if kind == "Parameter" and operation.get_element_type() == BF16:
            operation.set_element_type(F32)
        elif kind == "Constant" and operation.get_element_type() == BF16:
            _replace_constant(operation)
        elif kind == "Convert" and operation.get_element_type() == BF16:
            operation.set_destination_type(F32)
    try:
        copy.validate_nodes_and_infer_types()
    except RuntimeError as error:
        raise _refusal("an operation of two types") from error
    for operation in copy.get_ordered_ops():
        if any(output.get_element_type() == BF16 for output in operation.outputs()):
            raise _refusal(f"the operation '{operation.get_friendly_name()}' ({operation.get_type_name()})")
    return copy


def with_types_of(model: openvino.Model, original: openvino.Model) -> openvino.Model:
    """Return a model, in place, with the types that the inputs and outputs of another have where these are bfloat16."""
    if not any(port.get_element_type() == BF16 for port in (*original.inputs, *original.outputs)):
        return model
    steps = PrePostProcessor(model)
    for place, port in enumerate(original.inputs):
        if port.get_element_type() == BF16:
            steps.input(place).tensor().set_element_type(BF16)
    for place, port in enumerate(original.outputs):
        if port.get_element_type() == BF16:
            steps.output(place).tensor().set_element_type(BF16)
    return steps.build()


def widened_requests(request: list[Array], original: openvino.Model) -> list[Array]:
    """Return the inputs of a request of a model for its copy in f32."""
    return [
        widened(array) if port.get_element_type() == BF16 else array
        for array, port in zip(request, original.inputs, strict=True)
    ]


def _replace_constant(operation: openvino.Node) -> None:
    constant = ops.constant(widened(operation.data))
    constant.set_friendly_name(operation.get_friendly_name())
    for target in operation.output(0).get_target_inputs():
        target.replace_source_output(constant.output(0))


def _refusal(what: str) -> ModelError:
    return ModelError(
        f"The model computes in bfloat16, and {what} cannot be moved to f32, where it is quantized. Export the model in "
        "f32 or f16."
    )
