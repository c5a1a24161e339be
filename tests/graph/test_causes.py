"""Of a reader's error that goes over many lines the one is shown that says what went wrong."""

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from ovquant.graph.causes import first_cause, first_line

OPENVINO = """Exception from src/core/src/node.cpp:144:
Check 'shape.compatible(other)' failed at src/core/shape_inference.hpp:80:
While validating node 'opset1::MatMul MatMul_3 () -> ()' with friendly_name 'MatMul_3':
Incompatible MatMul matrix dimension. First is [1,3], second is [4,5]

"""
TORCH = """Check 'is_conversion_successful' failed at src/frontends/pytorch/src/frontend.cpp:166:
FrontEnd API failed with OpConversionFailure:
Model wasn't fully converted. Failed operations detailed log:
A line that says little.
-- No conversion rule found for operations: aten::special
Summary:
"""


def test_the_line_that_tells_is_found() -> None:
    error = RuntimeError(OPENVINO)
    assert first_cause(error) == "Incompatible MatMul matrix dimension. First is [1,3], second is [4,5]."
    assert (
        first_line(error) == "While validating node 'opset1::MatMul MatMul_3 () -> ()' with friendly_name 'MatMul_3':"
    )


def test_an_operation_without_a_rule_is_the_cause_wherever_it_stands() -> None:
    assert first_cause(RuntimeError(TORCH)) == "No conversion rule found for operations: aten::special."


@pytest.mark.parametrize(
    "noise",
    [
        "Exception from src/x.cpp:1:",
        "Exception:",
        "Check 'a' failed",
        "FrontEnd API failed with X:",
        "While validating node 'x'",
        "Couldn't get TorchScript module by tracing. With exception:",
        "Model wasn't fully converted.",
    ],
)
def test_lines_that_say_where_and_not_what_are_passed_over(noise: str) -> None:
    assert first_cause(RuntimeError(f"{noise}\n  The rank is three\nThe rank is not two")) == "The rank is three."
    # Where there is nothing else they are better than nothing.
    assert first_cause(RuntimeError(noise)).startswith(noise)


@pytest.mark.parametrize(
    ("text", "said"), [("No rank", "No rank."), ("No rank.", "No rank."), ("No rank!", "No rank!"), ("Rank?", "Rank?")]
)
def test_a_cause_is_a_sentence(text: str, said: str) -> None:
    assert first_cause(ValueError(f"\n\n  {text}  \nmore")) == said
    assert first_cause(ValueError(f"-- {text}")) == said


def test_an_error_without_words_is_named_by_its_type() -> None:
    assert first_cause(KeyboardInterrupt()) == "KeyboardInterrupt."
    assert first_line(ValueError("  \n")) == "ValueError"


def test_the_first_line_is_left_as_it_is() -> None:
    assert first_line(RuntimeError("Exception from a\n  No rank\nmore")) == "No rank"
    assert first_line(RuntimeError("Check 'a' failed\nNo rank.")) == "No rank."
    assert first_line(RuntimeError("Check 'a' failed\nException from b")) == "Check 'a' failed"


def test_a_real_error_of_openvino_begins_with_neither_a_place_nor_a_check() -> None:
    left, right = ops.parameter([1, 3], np.float32), ops.parameter([4, 5], np.float32)
    with pytest.raises(RuntimeError) as caught:
        openvino.Model([ops.matmul(left, right, False, False)], [left, right])
    assert str(caught.value).startswith(("Check", "Exception"))
    for said in (first_cause(caught.value), first_line(caught.value)):
        assert said
        assert not said.startswith(("Check", "Exception"))
    assert "atMul" in first_cause(caught.value)
