"""What a reader sees at a glance, what each step was worth, and the operations one by one."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from ovquant.api.result import Result
from ovquant.domain.operation import Operation, Quantizer
from ovquant.plugins.reports.glance import layers_remark, lines, steps, tiles
from ovquant.plugins.reports.html import Html

Results = dict[str, Callable[[], Result]]
GRID = Quantizer("activations", 0, "fq", "u8", 1, 0.02, 0.02, 3.0, 3.0)
OPERATIONS = (
    Operation("conv1", "Convolution", "f32", "f32", "Convolution jit_f32", (), 40.0, 50.0, 0.25),
    Operation("conv2", "Convolution", "int8", "u8", "Convolution brgemm_i8", (GRID,), 10.0, 100.0),
    Operation("head", "MatMul", "int8", "f32", "FullyConnected gemm_f32", (), None, None),
    Operation("mvn", "MVN", "bf16", "bf16", "MVN jit", (), 5.0, 5.0),
)


def test_tiles_tell_speed_drop_and_size(results: Results) -> None:
    found = {tile.label: (tile.value, tile.detail) for tile in tiles(results["met"]())}
    assert found["Speed-up (latency)"] == ("1.56×", "8 ms → 5.12 ms; 95 % 1.52 to 1.61")
    assert found["Drop in exact"] == ("0.006", "of 0.0085 allowed; 95 % 0.002 to 0.01")
    assert found["Size"] == ("3.5 MB", "float: 10.9 MB")
    assert "Memory when served" not in found


def test_tiles_leave_out_what_was_not_measured(results: Results) -> None:
    made = results["corpus metric"]()
    bare = replace(made, trial=replace(made.trial, timing=None, size_bytes=0))
    assert [(tile.label, tile.detail) for tile in tiles(bare)] == [
        ("Drop in wer", "of 0.0085 allowed; 3,000 held-out samples")
    ]


def test_float_is_as_fast_as_itself(results: Results) -> None:
    made = results["float"]()
    assert tiles(made)[0].value == "1.00×"


def test_steps_are_the_first_recipe_the_best_one_and_layers(results: Results) -> None:
    made = results["met"]()
    rows = steps(made).rows
    assert [row[0] for row in rows] == [
        "float, as it is served",
        "the recipe that was tried first",
        "the best recipe, its numbers chosen",
        "single layers put back",
    ]
    assert [row[2:] for row in rows] == [("0", "1.00×"), ("0.12", "1.25×"), ("0.008", "1.67×"), ("0.004", "1.56×")]
    assert steps(results["nothing tried"]()).rows == ()


@pytest.mark.parametrize(
    ("name", "planned", "differs", "shares", "why"),
    [
        ("conv1", "f32", False, (50.0, 40.0), "put back to float by the search"),
        ("conv2", "int8", False, (100.0, 10.0), ""),
        ("head", "int8", True, (0.0, 0.0), ""),
        ("mvn", "bf16", False, (5.0, 5.0), "not quantized by the recipe"),
    ],
)
def test_each_operation_tells_its_precision_time_and_why(
    results: Results, name: str, planned: str, differs: bool, shares: tuple[float, float], why: str
) -> None:
    made = replace(results["met"](), operations=OPERATIONS)
    (line,) = [line for line in lines(made) if line.name == name]
    assert (line.planned, line.differs, (line.float_share, line.share), line.why) == (planned, differs, shares, why)


def test_what_stands_in_a_line(results: Results) -> None:
    made = replace(results["met"](), operations=OPERATIONS)
    first, second, third, _ = lines(made)
    assert (first.float_micros, first.micros, first.gain, first.grid) == ("50", "40", "0.25", "")
    assert second.grid == "activations u8: 0.02, zero 3"
    assert (third.float_micros, third.gain) == ("–", "–")
    assert "1 of them run in another precision than planned" in layers_remark(made)


def test_the_page_has_a_row_for_each_operation(results: Results) -> None:
    text = Html().render(replace(results["met"](), operations=OPERATIONS))
    assert text.count('class="bar here"') == len(OPERATIONS)
    assert "Layer by layer" in text
    assert "Layer by layer" not in Html().render(results["met"]())


def test_a_page_of_many_operations_is_small(results: Results) -> None:
    many = tuple(replace(OPERATIONS[1], name=f"layer.{place}.attention.output") for place in range(500))
    text = Html().render(replace(results["met"](), operations=many))
    assert len(text) < 5e6
    assert "<details>" in text
