"""Encoder and decoder, two files of one network, as one model: it is quantized as a whole, and taken apart again."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ovquant.errors import ModelError

if TYPE_CHECKING:
    import openvino

HIDDEN = "encoder_hidden_states"
"""What a decoder calls its encoder's output."""
CUT = "encoder_last_hidden_state"
"""What the encoder's output is called in the whole: an output, so that what turns a model into another one keeps it."""
_IN_WHOLE = {"input_ids": "decoder_input_ids", "attention_mask": "decoder_attention_mask"}
"""What the whole calls inputs of the decoder, whose own names are the encoder's there; as Transformers does."""
SHARED = {"encoder_attention_mask": "attention_mask"}
"""What the decoder takes as well as the encoder, by the encoder's name for it."""


def joined(encoder: "openvino.Model", decoder: "openvino.Model") -> "openvino.Model":
    """Return one model of an encoder and the decoder that reads its output; the two that came in are used up.

    It takes what the encoder takes, and of the decoder's inputs `input_ids` as `decoder_input_ids`; its outputs are the decoder's,
    and the encoder's as `encoder_last_hidden_state`. Raises ModelError where the two do not fit.
    """
    import openvino

    if len(encoder.outputs) != 1 or not _port(decoder.inputs, HIDDEN):
        raise ModelError(
            f"The encoder has {len(encoder.outputs)} outputs and the decoder "
            f"{'an' if _port(decoder.inputs, HIDDEN) else 'no'} input '{HIDDEN}'. Encoder and decoder are read as one where the one has "
            "a single output, which the other takes. Give one of the two files to quantize it alone."
        )
    hidden = _port(decoder.inputs, HIDDEN)
    source = encoder.outputs[0].get_node().input_value(0)
    if not source.get_partial_shape().compatible(hidden.get_partial_shape()):
        raise ModelError(
            f"The encoder gives {source.get_partial_shape()}, and the decoder takes {hidden.get_partial_shape()}: they are not of one network."
        )
    for model, prefix in ((encoder, "encoder"), (decoder, "decoder")):
        for operation in model.get_ops():
            operation.set_friendly_name(f"{prefix}/{operation.get_friendly_name()}")
    parameters = list(encoder.get_parameters())
    for parameter in decoder.get_parameters():
        port = parameter.output(0)
        names = port.get_names()
        shared = next((_port(encoder.inputs, SHARED[name]) for name in names if name in SHARED), None)
        if HIDDEN in names:
            _replace(port, source)
        elif shared is not None:
            _replace(port, shared.get_node().output(0))
        else:
            port.get_tensor().set_names({_IN_WHOLE.get(name, name) for name in names})
            parameters.append(parameter)
    _name(encoder.get_results()[0], CUT)
    results = [*decoder.get_results(), *encoder.get_results()]
    whole = openvino.Model(results, list(decoder.get_sinks()), parameters, decoder.get_friendly_name())
    _carry_info(decoder, whole)
    return whole


def is_pair(model: "openvino.Model") -> bool:
    """Tell whether a model was made of two, by its outputs."""
    return len(model.outputs) > 1 and _port(model.outputs, CUT) is not None


def parted(model: "openvino.Model") -> tuple["openvino.Model", "openvino.Model"]:
    """Return the encoder and the decoder of a model that was made of two, each with inputs and outputs as before.

    Raises ModelError where what reads the encoder reads more of it than its output.
    """
    import openvino

    whole = model.clone()
    cut = _port(whole.outputs, CUT).get_node()
    encoder = openvino.Model([cut], _needed([cut], whole.get_parameters()), "encoder")
    _name(cut, "last_hidden_state")

    rest = model.clone()
    cut = _port(rest.outputs, CUT).get_node()
    source = cut.input_value(0)
    hidden = openvino.op.Parameter(source.get_element_type(), source.get_partial_shape())
    hidden.output(0).get_tensor().set_names({HIDDEN})
    hidden.set_friendly_name(HIDDEN)
    for target in list(source.get_target_inputs()):
        if target.get_node().get_instance_id() != cut.get_instance_id():
            target.replace_source_output(hidden.output(0))
    results = [result for result in rest.get_results() if result.get_instance_id() != cut.get_instance_id()]
    sinks = list(rest.get_sinks())
    parameters = [hidden]
    back = {other: name for name, other in _IN_WHOLE.items()} | {other: name for name, other in SHARED.items()}
    only_encoder = {name for port in encoder.inputs for name in port.get_names()} - back.keys()
    for parameter in _needed([*results, *sinks], rest.get_parameters()):
        port = parameter.output(0)
        names = port.get_names()
        if names & only_encoder:
            raise ModelError(
                f"The decoder reads '{min(names & only_encoder)}', an input of the encoder's, since openvino simplified the two together. "
                "Give one of the two files to quantize it alone."
            )
        port.get_tensor().set_names({back.get(name, name) for name in names})
        parameters.append(parameter)
    decoder = openvino.Model(results, sinks, parameters, model.get_friendly_name())
    _carry_info(model, encoder)
    _carry_info(model, decoder)
    return encoder, decoder


def _port(ports: Iterable[Any], name: str) -> Any:
    """Return the port of a name, or None."""
    return next((port for port in ports if name in port.get_names()), None)


def _name(result: Any, name: str) -> None:
    """Give an output a name of its own."""
    for port in (result.input_value(0), result.output(0)):
        port.get_tensor().set_names({name})


def _replace(port: Any, source: Any) -> None:
    """Have all that reads a port read another one."""
    for target in list(port.get_target_inputs()):
        target.replace_source_output(source)


def _needed(ends: Iterable[Any], parameters: Iterable[Any]) -> list[Any]:
    """Return those parameters that ends are computed from."""
    waiting, seen = list(ends), set[int]()
    while waiting:
        node = waiting.pop()
        if node.get_instance_id() not in seen:
            seen.add(node.get_instance_id())
            waiting += [value.get_node() for value in node.input_values()]
    return [parameter for parameter in parameters if parameter.get_instance_id() in seen]


def _carry_info(model: "openvino.Model", other: "openvino.Model") -> None:
    for name, value in model.get_rt_info().items():
        other.set_rt_info(value.value if hasattr(value, "value") else value, name)
