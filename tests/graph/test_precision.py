"""Which precision each operation of a model is planned in, told from its quantizers and its stored weights."""

from collections.abc import Callable

import nncf
import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from ovquant.domain.layer import Layer
from ovquant.graph.fingerprint import every_operation
from ovquant.graph.precision import (
    Quantizer,
    is_constant,
    is_quantized,
    layer_precisions,
    precisions,
    quantized_activations,
    quantizers_of,
    stored_weights,
    weight_precision,
)
from tests.faults.test_fingerprints import add, with_if, with_iterator, with_loop

Wrap = Callable[[openvino.Node], openvino.Node]
VALUES = np.random.default_rng(0).standard_normal((4, 4)).astype(np.float32)


def fake_quantize(
    source: openvino.Node, low: float = -1.28, high: float = 1.27, *, levels: int = 256, name: str = "quantizer"
) -> openvino.Node:
    limits = [ops.constant(np.float32(value)) for value in (low, high, low, high)]
    made = ops.fake_quantize(source, *limits, levels)
    made.set_friendly_name(name)
    return made


def stored(
    codes: openvino.Node, scale: np.ndarray | None = None, zero: np.ndarray | None = None, name: str = "codes"
) -> openvino.Node:
    """Turn low-bit constants back to float, as NNCF stores them."""
    codes.set_friendly_name(name)
    node = ops.convert(codes, np.float32)
    if zero is not None:
        node = ops.subtract(node, ops.convert(ops.constant(zero.astype(np.uint8)), np.float32))
    return ops.multiply(node, ops.constant(np.ones((4, 1), np.float32) if scale is None else scale))


def codes(kind: type = np.int8) -> openvino.Node:
    return ops.constant(np.arange(16, dtype=kind).reshape(4, 4))


def product(left: openvino.Node, right: openvino.Node, name: str = "product") -> openvino.Node:
    made = ops.matmul(left, right, False, True)
    made.set_friendly_name(name)
    return made


def model(build: Wrap, shape: tuple[int, ...] = (1, 4)) -> openvino.Model:
    port = ops.parameter(list(shape), np.float32, name="x")
    return openvino.Model([ops.result(build(port))], [port], "small")


def multiplied(weights: openvino.Node, before: Wrap = lambda node: node) -> openvino.Model:
    return model(lambda port: product(before(port), weights))


# Is it quantized -------------------------------------------------------------------------------------------------------


def test_a_float_model_is_not_quantized() -> None:
    assert not is_quantized(multiplied(ops.constant(VALUES)))
    assert not is_quantized(multiplied(ops.convert(ops.constant(VALUES.astype(np.float16)), np.float32)))
    assert not is_quantized(with_if(add(1), add(2)))


def test_quantizers_and_weights_in_few_bits_make_it_quantized() -> None:
    assert is_quantized(multiplied(ops.constant(VALUES), fake_quantize))
    assert is_quantized(multiplied(stored(codes())))
    assert is_quantized(multiplied(stored(codes(np.uint8), zero=np.full((4, 1), 8))))


def dynamic(port: openvino.Node) -> openvino.Node:
    """Quantize what comes in by its own range, and multiply integers, as ONNX's DynamicQuantizeLinear and MatMulInteger do."""
    scale = ops.divide(ops.reduce_max(ops.abs(port), ops.constant([0, 1])), ops.constant(np.float32(127)))
    rounded = ops.clamp(ops.round(ops.divide(port, scale)), -128, 127)
    whole = ops.convert(ops.convert(rounded, np.int8), np.int32)
    weights = ops.subtract(ops.convert(codes(), np.int32), ops.constant(np.int32(2)))
    return ops.multiply(ops.convert(product(whole, weights), np.float32), scale)


def test_activations_that_are_quantized_are_named() -> None:
    assert quantized_activations(multiplied(ops.constant(VALUES))) == ""
    assert quantized_activations(multiplied(stored(codes()))) == ""
    assert quantized_activations(multiplied(fake_quantize(ops.constant(VALUES)))) == ""
    assert quantized_activations(multiplied(stored(codes()), fake_quantize)) == "by FakeQuantize 'quantizer'"


def test_activations_that_are_quantized_while_a_model_runs_are_named() -> None:
    made = model(dynamic)
    assert is_quantized(made)
    assert "DynamicQuantizeLinear: MatMul 'product' multiplies integers" in quantized_activations(made)


def test_an_image_of_integers_is_no_quantized_activation() -> None:
    port = ops.parameter([1, 4], np.uint8, name="x")
    made = openvino.Model([ops.result(product(ops.convert(port, np.float32), stored(codes())))], [port], "small")
    assert quantized_activations(made) == ""


@pytest.mark.parametrize("kind", ["i8", "u8", "i4", "u4", "nf4", "f8e4m3", "f8e5m2"])
def test_eight_bits_are_few(kind: str) -> None:
    packed = openvino.op.Constant(getattr(openvino.Type, kind), openvino.Shape([4, 4]), [1] * 16)
    made = multiplied(stored(packed))
    assert is_quantized(made)
    assert precisions(made) == {"product": "int4-weights" if "4" in kind[:3] else "int8-weights"}
    assert [found.type for found in quantizers(made)] == [kind]


def test_integers_that_are_data_are_no_weights() -> None:
    """A table of bytes is looked up, converted, and not scaled; one of scaled indices is not converted to float."""
    assert not is_quantized(model(lambda port: ops.add(port, ops.convert(codes(), np.float32))))
    assert not is_quantized(
        model(lambda port: ops.multiply(ops.convert(port, np.int32), ops.convert(codes(), np.int32)))
    )
    wide = ops.multiply(ops.convert(codes(np.int32), np.float32), ops.constant(np.float32(2)))
    assert not is_quantized(multiplied(wide))


@pytest.mark.parametrize(
    "made",
    [
        with_if(add(1), fake_quantize),
        with_if(fake_quantize, add(1)),
        with_loop(fake_quantize),
        with_iterator(fake_quantize),
    ],
    ids=["else", "then", "loop", "iterator"],
)
def test_bodies_are_looked_into(made: openvino.Model) -> None:
    kinds = [operation.get_type_name() for operation in every_operation(made)]
    assert kinds.count("FakeQuantize") == 1
    assert is_quantized(made)


def test_every_operation_is_met_once() -> None:
    made = with_if(add(1), add(2))
    names = [operation.get_name() for operation in every_operation(made)]
    outside = {operation.get_name() for operation in made.get_ops()}
    assert len(names) == len(set(names)) > len(outside)
    assert outside < set(names)


# Planned precision -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (multiplied(ops.constant(VALUES)), "f32"),
        (multiplied(stored(codes())), "int8-weights"),
        (multiplied(fake_quantize(ops.constant(VALUES))), "int8-weights"),
        (multiplied(ops.multiply(fake_quantize(ops.constant(VALUES)), ops.constant(np.float32(2)))), "int8-weights"),
        (multiplied(ops.constant(VALUES), fake_quantize), "int8"),
        (multiplied(stored(codes()), fake_quantize), "int8"),
        (multiplied(stored(codes()), lambda node: ops.relu(fake_quantize(node))), "int8-weights"),
        (multiplied(ops.convert(ops.constant(VALUES.astype(np.float16)), np.float32)), "f32"),
    ],
    ids=["float", "stored", "quantized", "scaled", "activations", "both", "behind another", "halves"],
)
def test_the_precision_of_an_operation_is_that_of_its_inputs(made: openvino.Model, expected: str) -> None:
    assert precisions(made) == {"product": expected}


def test_scales_behind_a_quantizer_of_activations_are_operations_of_their_own() -> None:
    def scaled(node: openvino.Node) -> openvino.Node:
        return ops.multiply(fake_quantize(node), ops.constant(np.float32(2)))

    assert precisions(multiplied(ops.constant(VALUES), scaled)) == {"product": "f32"}
    assert precisions(multiplied(stored(codes()), scaled)) == {"product": "int8-weights"}


def flat(node: openvino.Node) -> openvino.Node:
    return shaped(node, 1, 4)


def shaped(node: openvino.Node, *sizes: int) -> openvino.Node:
    return ops.reshape(node, ops.constant(np.array(sizes)), False)


def image(node: openvino.Node) -> openvino.Node:
    return shaped(node, 1, 4, 1, 1)


def numbers(*values: int) -> openvino.Node:
    return ops.constant(np.array(values))


PASSING: dict[str, Wrap] = {
    "Reshape": flat,
    "Transpose": lambda node: flat(ops.transpose(node, ops.constant(np.array([1, 0])))),
    "Squeeze": lambda node: ops.squeeze(shaped(node, 1, 1, 4), numbers(0)),
    "Unsqueeze": lambda node: ops.unsqueeze(shaped(node, 4), numbers(0)),
    "Convert": lambda node: ops.convert(ops.convert(node, np.float16), np.float32),
    "MaxPool": lambda node: flat(ops.max_pool(image(node), [1, 1], [1, 1], [0, 0], [0, 0], [1, 1]).output(0)),
    "Split": lambda node: ops.split(node, ops.constant(np.int64(0)), 1).output(0),
    "VariadicSplit": lambda node: ops.variadic_split(node, ops.constant(np.int64(0)), numbers(1)).output(0),
    "StridedSlice": lambda node: ops.strided_slice(
        node, numbers(0, 0), numbers(1, 4), numbers(1, 1), [0, 0], [0, 0], [], [], []
    ),
    "ShuffleChannels": lambda node: flat(ops.shuffle_channels(image(node), 1, 2)),
    "DepthToSpace": lambda node: flat(ops.depth_to_space(image(node), "blocks_first", 2)),
    "SpaceToDepth": lambda node: flat(ops.space_to_depth(shaped(node, 1, 1, 2, 2), "blocks_first", 2)),
    "Interpolate": lambda node: flat(
        ops.interpolate(image(node), numbers(1, 1), "nearest", "sizes", axes=numbers(2, 3))
    ),
    "Concat": lambda node: ops.concat([node, node], 0),
    "Slice": lambda node: ops.slice(node, *(ops.constant(np.array([value])) for value in (0, 4, 1, 1))),
    "Pad": lambda node: ops.pad(node, ops.constant(np.array([0, 0])), ops.constant(np.array([0, 0])), "edge"),
    "Tile": lambda node: ops.tile(node, ops.constant(np.array([2, 1]))),
    "ReduceMax": lambda node: ops.reduce_max(node, ops.constant(np.array([0])), True),
    "Maximum": lambda node: ops.maximum(node, ops.constant(np.float32(0))),
    "Minimum": lambda node: ops.minimum(node, ops.constant(np.float32(1))),
    "Gather": lambda node: ops.gather(node, ops.constant(np.array([0])), ops.constant(np.int64(0))),
    "Broadcast": lambda node: ops.broadcast(node, ops.constant(np.array([2, 4]))),
}


@pytest.mark.parametrize("name", PASSING)
def test_what_only_moves_values_passes_their_precision_on(name: str) -> None:
    made = multiplied(ops.constant(VALUES), lambda node: PASSING[name](fake_quantize(node)))
    assert name in {node.get_type_name() for node in made.get_ops()}
    assert precisions(made)["product"] == "int8"


@pytest.mark.parametrize("name", ["Reshape", "Transpose", "Squeeze", "Unsqueeze", "Convert", "MaxPool"])
def test_some_of_these_stand_between_a_quantizer_and_the_operation_that_it_is_for(name: str) -> None:
    made = multiplied(ops.constant(VALUES), lambda node: PASSING[name](fake_quantize(node)))
    assert [found.of for found in quantizers(made)] == ["activations"]


@pytest.mark.parametrize(("steps", "expected"), [(1, "int8"), (6, "int8"), (7, "f32")])
def test_a_quantizer_is_looked_for_a_few_operations_back(steps: int, expected: str) -> None:
    def behind(node: openvino.Node) -> openvino.Node:
        node = fake_quantize(node)
        for _ in range(steps):
            node = flat(node)
        return node

    assert precisions(multiplied(ops.constant(VALUES), behind)) == {"product": expected}


def test_every_kind_that_has_weights_is_told_of() -> None:
    image = ops.parameter([1, 4, 6, 6], np.float32)
    rows, sequence = ops.parameter([1, 4], np.float32), ops.parameter([1, 3, 4], np.float32)

    def weights(*shape: int) -> openvino.Node:
        return ops.constant(np.ones(shape, np.float32))

    one, none, two = [1, 1], [0, 0], weights(1, 2)
    state, length = weights(1, 1, 2), ops.constant(np.array([3], np.int32))
    made = [
        ops.convolution(image, weights(2, 4, 3, 3), one, none, none, one),
        ops.group_convolution(image, weights(2, 1, 2, 3, 3), one, none, none, one),
        ops.convolution_backprop_data(image, weights(4, 2, 3, 3), one),
        ops.group_convolution_backprop_data(image, weights(2, 2, 1, 3, 3), one),
        ops.matmul(rows, weights(4, 2), False, False),
        ops.gather(weights(9, 2), ops.convert(rows, np.int32), ops.constant(np.int64(0))),
        ops.lstm_cell(rows, two, two, weights(8, 4), weights(8, 2), weights(8), 2),
        ops.gru_cell(rows, two, weights(6, 4), weights(6, 2), weights(6), 2),
        ops.rnn_cell(rows, two, weights(2, 4), weights(2, 2), weights(2), 2, ["tanh"], [], []),
        ops.lstm_sequence(
            sequence, state, state, length, weights(1, 8, 4), weights(1, 8, 2), weights(1, 8), 2, "forward"
        ),
        ops.gru_sequence(sequence, state, length, weights(1, 6, 4), weights(1, 6, 2), weights(1, 6), 2, "forward"),
        ops.rnn_sequence(sequence, state, length, weights(1, 2, 4), weights(1, 2, 2), weights(1, 2), 2, "forward"),
    ]
    kinds = {node.get_friendly_name(): node.get_type_name() for node in made}
    assert len(set(kinds.values())) == 12
    results = [ops.result(ops.relu(node.output(0))) for node in made]
    found = precisions(openvino.Model(results, [image, rows, sequence], "weighted"))
    assert found == dict.fromkeys(kinds, "f32")


def test_operations_in_bodies_are_told_of() -> None:
    def inner(node: openvino.Node) -> openvino.Node:
        return product(fake_quantize(node), ops.constant(VALUES), "inner")

    assert precisions(with_if(add(1), inner))["inner"] == "int8"


# Layers ----------------------------------------------------------------------------------------------------------------


def layer(name: str, *operations: str, quantizers: tuple[str, ...] = ()) -> Layer:
    return Layer(name, operations, quantizers, ("MatMul",) * len(operations))


def test_a_layer_has_the_precision_of_its_operations() -> None:
    def build(port: openvino.Node) -> openvino.Node:
        both = product(fake_quantize(port), stored(codes()), "both")
        weights_alone = product(ops.relu(both), stored(codes(), name="more codes"), "weights alone")
        return product(ops.relu(weights_alone), ops.constant(VALUES), "none")

    layers = [
        layer("first", "both"),
        layer("second", "weights alone"),
        layer("third", "none", "not there"),
        layer("fourth", "none", "weights alone"),
        layer("fifth", "none", "both", quantizers=("quantizer",)),
    ]
    assert layer_precisions(model(build), layers) == {
        "first": "int8",
        "second": "int8-weights",
        "third": "float",
        "fourth": "int8-weights",
        "fifth": "int8",
    }


def test_a_layer_without_operations_is_quantized_while_its_quantizer_is_there() -> None:
    made = model(lambda port: ops.relu(fake_quantize(port, name="cut")))
    layers = [layer("kept", quantizers=("cut",)), layer("put back", quantizers=("gone",))]
    assert layer_precisions(made, layers) == {"kept": "int8", "put back": "float"}
    # With operations it is these that count.
    assert layer_precisions(made, [layer("other", "gone", quantizers=("cut",))]) == {"other": "float"}


# Quantizers ------------------------------------------------------------------------------------------------------------


def quantizers(made: openvino.Model, name: str = "product") -> list[Quantizer]:
    (operation,) = (node for node in made.get_ops() if node.get_friendly_name() == name)
    return list(quantizers_of(operation))


def test_a_quantizer_of_activations_is_read_from_its_limits() -> None:
    (found,) = quantizers(multiplied(ops.constant(VALUES), fake_quantize))
    assert (found.of, found.input, found.name, found.type, found.channels) == ("activations", 0, "quantizer", "u8", 1)
    assert found.scale_min == found.scale_max == pytest.approx(0.01)
    assert found.zero_min == found.zero_max == 128


@pytest.mark.parametrize(("levels", "kind"), [(256, "u8"), (255, "u8"), (16, "u4"), (17, "u5"), (2, "u1")])
def test_its_type_is_the_one_that_holds_its_levels(levels: int, kind: str) -> None:
    (found,) = quantizers(multiplied(ops.constant(VALUES), lambda node: fake_quantize(node, 0, 1, levels=levels)))
    assert found.type == kind
    assert found.scale_max == pytest.approx(1 / (levels - 1))
    assert found.zero_max == 0


def test_a_range_of_one_value_has_no_zero_point() -> None:
    (found,) = quantizers(multiplied(ops.constant(VALUES), lambda node: fake_quantize(node, 0, 0)))
    assert (found.scale_max, found.zero_max) == (0, 0)


def test_limits_by_channel_are_told_from_the_least_to_the_largest() -> None:
    low, high = (np.array([[sign], [2 * sign], [4 * sign], [sign]], np.float32) for sign in (-1, 1))
    limits = [ops.convert(ops.constant(array.astype(np.float16)), np.float32) for array in (low, high, low, high)]
    (found,) = quantizers(multiplied(ops.fake_quantize(ops.constant(VALUES), *limits, 255)))
    assert (found.of, found.input, found.channels) == ("weights", 1, 4)
    assert (found.scale_min, found.scale_max) == (pytest.approx(2 / 254), pytest.approx(8 / 254))
    assert found.zero_min == found.zero_max == 127


def test_limits_that_are_computed_are_not_known() -> None:
    def build(port: openvino.Node) -> openvino.Node:
        most = ops.reduce_max(port, ops.constant(np.array([0, 1])), False)
        none = ops.constant(np.float32(0))
        return product(ops.fake_quantize(port, none, most, none, most, 256), ops.constant(VALUES))

    (found,) = quantizers(model(build))
    assert (found.of, found.type, found.channels) == ("activations", "u8", 1)
    assert found.scale_min is found.scale_max is found.zero_min is found.zero_max is None


@pytest.mark.parametrize("zero", [None, 8])
def test_stored_weights_have_the_scale_and_zero_point_of_the_operations_behind(zero: int | None) -> None:
    scale = np.array([[0.5], [0.25], [2], [1]], np.float32)
    points = None if zero is None else np.full((4, 1), zero)
    (found,) = quantizers(multiplied(stored(codes(np.uint8), scale, points, "packed")))
    assert (found.of, found.input, found.name, found.type, found.channels) == ("weights", 1, "packed", "u8", 4)
    assert (found.scale_min, found.scale_max) == (0.25, 2)
    assert found.zero_min == found.zero_max == (zero or 0)


def test_quantizers_are_found_behind_reshapes_and_constant_scales() -> None:
    weights = flat_weights(stored(codes()))
    made = multiplied(weights, lambda node: ops.multiply(flat(fake_quantize(node)), ops.constant(np.float32(2))))
    assert [(found.of, found.input) for found in quantizers(made)] == [("activations", 0), ("weights", 1)]


def flat_weights(node: openvino.Node) -> openvino.Node:
    return ops.reshape(node, ops.constant(np.array([4, 4])), False)


def test_what_is_not_quantized_has_none() -> None:
    assert quantizers(multiplied(ops.constant(VALUES))) == []
    assert quantizers(multiplied(ops.constant(VALUES), lambda node: ops.relu(fake_quantize(node)))) == []
    assert quantizers(multiplied(ops.convert(codes(), np.float32))) == []
    # A product of two activations is no scale.
    assert quantizers(multiplied(ops.constant(VALUES), lambda node: ops.multiply(fake_quantize(node), node))) == []


def test_a_constant_is_one_through_what_only_unpacks_it() -> None:
    port = ops.parameter([1, 4], np.float32)
    assert is_constant(ops.constant(VALUES).output(0))
    assert is_constant(flat_weights(stored(codes(np.uint8), zero=np.full((4, 1), 8))).output(0))
    assert not is_constant(port.output(0))
    assert not is_constant(ops.multiply(port, ops.constant(np.float32(2))).output(0))
    assert not is_constant(ops.relu(ops.constant(VALUES)).output(0))


def test_what_is_looked_up_in_stored_weights_is_no_weight(language: openvino.Model) -> None:
    built = nncf.compress_weights(language.clone(), ignored_scope=nncf.IgnoredScope(names=["up0"]))
    found = precisions(built)
    assert (found["embedding"], found["gate0"], found["up0"]) == ("int8-weights", "int8-weights", "f32")


@pytest.mark.parametrize(("mode", "precision"), [("INT8_ASYM", "int8-weights"), ("INT4_SYM", "int4-weights")])
def test_readers_of_each_stored_weight(language: openvino.Model, mode: str, precision: str) -> None:
    options = {} if mode == "INT8_ASYM" else {"group_size": 32}
    built = nncf.compress_weights(language.clone(), mode=nncf.CompressWeightsMode[mode], **options)
    found = {
        tuple((node.get_friendly_name(), port) for node, port in readers): weight_precision(readers)
        for readers in stored_weights(built)
    }
    assert found[("embedding", 0), ("head", 1)] == "int8-weights"
    assert found[(("up1", 1),)] == precision
    assert len(found) == 10
    assert stored_weights(language) == ()
