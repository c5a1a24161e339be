"""The grammar of input shapes, and giving them to a model."""

import numpy as np
import openvino
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openvino import opset13 as ops

from ovquant.errors import ModelError, UsageError
from ovquant.graph.shapes import first_axis, parse_shapes, set_shapes, static_batch, with_batch


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("[1,3,48,320]", {None: (1, 3, 48, 320)}),
        ("x[1,3,48,320],ids[1,16]", {"x": (1, 3, 48, 320), "ids": (1, 16)}),
        (" x:0 [ 1 , ? ] , a/b.c[-1]", {"x:0": (1, -1), "a/b.c": (-1,)}),
        ("scalar[]", {"scalar": ()}),
    ],
)
def test_grammar(text: str, shapes: dict[str | None, tuple[int, ...]]) -> None:
    assert parse_shapes(text) == shapes


@pytest.mark.parametrize(
    "text",
    ["", "x", "x[1", "x[1,]", "x[a]", "x[-2]", "x[1.5]", "x[1]y[2]", "x[1],", ",x[1]", "x[1],x[2]", "[1],x[2]", "[²]"],
)
def test_what_is_outside_the_grammar_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_shapes(text)


_NAMES = st.text("abcxyz_./:0123456789", min_size=1)


@given(st.dictionaries(_NAMES, st.lists(st.integers(-1, 10_000), max_size=6).map(tuple), min_size=1))
def test_written_shapes_are_read_back(shapes: dict[str, tuple[int, ...]]) -> None:
    text = ",".join(
        f"{name}[{','.join('?' if size == -1 else str(size) for size in shape)}]" for name, shape in shapes.items()
    )
    assert parse_shapes(text) == shapes


def test_shape_is_set_on_a_clone(small_model: openvino.Model) -> None:
    reshaped = set_shapes(small_model, {"x": [4, 3, 16, 16]})
    assert reshaped.output("y").get_shape() == [4, 2]
    assert small_model.input("x").get_partial_shape() == openvino.PartialShape([-1, 3, 8, 8])


def test_only_input_needs_no_name(small_model: openvino.Model) -> None:
    assert set_shapes(small_model, {None: (2, 3, -1, 8)}).input("x").get_partial_shape() == openvino.PartialShape(
        [2, 3, -1, 8]
    )


def test_input_is_also_found_by_its_node(two_inputs: openvino.Model) -> None:
    two_inputs.input("b").get_tensor().set_names({"b:0"})
    reshaped = set_shapes(two_inputs, {"a": [2, 4], "b": [2, 4]})
    assert reshaped.output(0).get_shape() == [2, 4]


def test_unknown_input_lists_the_inputs(two_inputs: openvino.Model) -> None:
    with pytest.raises(UsageError, match=r"no input 'c'. Its inputs: a\[1,4\], b\[1,4\]"):
        set_shapes(two_inputs, {"c": [1]})


def test_unnamed_shape_of_several_inputs_is_refused(two_inputs: openvino.Model) -> None:
    with pytest.raises(UsageError, match="needs a name"):
        set_shapes(two_inputs, {None: [1, 4]})


def test_impossible_shape_is_explained(small_model: openvino.Model) -> None:
    with pytest.raises(
        ModelError, match=r"x\[1,5,8,8\]: .*dimension.* Its inputs as exported are x\[\?,3,8,8\]"
    ) as caught:
        set_shapes(small_model, {"x": [1, 5, 8, 8]})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("text", "called"), [("x[1],x[2]", "input 'x'"), ("[1],[2]", "the unnamed input")])
def test_a_shape_that_is_given_twice_is_named(text: str, called: str) -> None:
    with pytest.raises(UsageError, match=f"gives {called} twice"):
        parse_shapes(text)


def apart(*shapes: list[int], layouts: dict[int, str] | None = None) -> openvino.Model:
    """Return a model whose inputs have nothing to do with each other."""
    ports = [ops.parameter(shape, np.float32, name=f"in{place}") for place, shape in enumerate(shapes)]
    for place, layout in (layouts or {}).items():
        ports[place].layout = openvino.Layout(layout)
    return openvino.Model([ops.relu(port) for port in ports], ports, "apart")


def shapes_of(model: openvino.Model) -> list[str]:
    return [str(port.get_partial_shape()) for port in model.inputs]


@pytest.mark.parametrize(
    ("given", "fixed"),
    [
        ([[-1, 3], [-1, 2]], ["[8,3]", "[8,2]"]),
        ([[-1, 3, -1, -1]], ["[8,3,?,?]"]),
        ([[1, 3], [1, 2]], ["[8,3]", "[8,2]"]),
        ([[1, 3, 32, 32], [5], []], ["[8,3,32,32]", "[5]", "[]"]),
        ([[-1, 3], [16, 2], []], ["[8,3]", "[16,2]", "[]"]),
        ([[4, 3], [4, 2]], ["[8,3]", "[8,2]"]),
        ([[4, 3], []], ["[8,3]", "[]"]),
        ([[1, 3], [1]], ["[8,3]", "[8]"]),
    ],
)
def test_the_batch_axes_are_fixed_and_all_else_stays(given: list[list[int]], fixed: list[str]) -> None:
    model = apart(*given)
    assert shapes_of(with_batch(model, 8)) == fixed
    assert shapes_of(model) == [str(openvino.PartialShape(shape)) for shape in given]


def test_a_layout_says_which_axis_is_the_batch() -> None:
    assert shapes_of(with_batch(apart([1, 3], [1, 2], layouts={0: "NC", 1: "HC"}), 8)) == ["[8,3]", "[1,2]"]
    assert shapes_of(with_batch(apart([4, 3], [6, 2], layouts={0: "NC"}), 8)) == ["[8,3]", "[6,2]"]


def test_a_single_number_that_can_be_for_all_samples_alone_is_left() -> None:
    image, factor = ops.parameter([1, 3], np.float32), ops.parameter([1], np.float32)
    model = openvino.Model([ops.multiply(image, factor)], [image, factor], "scaled")
    assert shapes_of(with_batch(model, 8)) == ["[8,3]", "[1]"]


@pytest.mark.parametrize("given", [[[]], [[4, 3], [5, 2]]])
def test_inputs_without_a_batch_axis_are_named(given: list[list[int]]) -> None:
    with pytest.raises(ModelError, match=r"in0\[.*no batch axis; leave --batch out"):
        with_batch(apart(*given), 2)


def test_a_batch_that_the_model_cannot_take_is_explained() -> None:
    port = ops.parameter([-1, 4], np.float32)
    model = openvino.Model([ops.add(port, ops.constant(np.zeros((3, 4), np.float32)))], [port], "three")
    with pytest.raises(ModelError, match="cannot take a batch of 8"):
        with_batch(model, 8)


def test_a_batch_is_what_all_inputs_share() -> None:
    assert [static_batch(apart(*shapes).inputs) for shapes in ([[8, 3], [8]], [[8, 3], [4]], [[-1, 3]], [[]])] == [
        8,
        1,
        1,
        1,
    ]
    assert [first_axis(port) for port in apart([8, 3], [-1, 3], []).inputs] == [8, None, None]
