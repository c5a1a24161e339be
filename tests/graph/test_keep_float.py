"""What stays in float is given by name, type or regular expression."""

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from ovquant.errors import UsageError
from ovquant.graph.keep_float import Kept, kept_operations


@pytest.fixture(scope="module")
def model() -> openvino.Model:
    port = ops.parameter([1, 4], np.float32)
    first, second = ops.relu(port), ops.sigmoid(port)
    first.set_friendly_name("head/relu")
    second.set_friendly_name("head/sigmoid")
    return openvino.Model([ops.add(first, second)], [port], "small")


def test_a_name_a_type_and_an_expression(model: openvino.Model) -> None:
    assert kept_operations(model, ["head/relu", "Add"]) == Kept(("Add",), ("head/relu",))
    assert kept_operations(model, ["head/.*"]) == Kept((), ("head/relu", "head/sigmoid"))


def test_a_wish_that_matches_nothing_suggests(model: openvino.Model) -> None:
    with pytest.raises(UsageError, match=r"'head/relo' matches no operation.*head/relu"):
        kept_operations(model, ["head/relo"])


def test_an_expression_that_is_none(model: openvino.Model) -> None:
    with pytest.raises(UsageError, match="not a name, a type or a valid regular expression"):
        kept_operations(model, ["(open"])
