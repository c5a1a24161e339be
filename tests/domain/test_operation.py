"""Operations are plain data that a result holds."""

import json
from dataclasses import asdict

import pytest

from ovquant.domain.operation import Operation, Quantizer, Spread

SPREAD = Spread(-3.0, 260.0, (1, 2), 0, 255, 0.01)
GRID = Quantizer("weights", 1, "kernel", "i8", 8, 0.01, 0.02, 0.0, 0.0, SPREAD)


def test_an_operation_is_read_as_it_was_written() -> None:
    made = Operation("conv", "Convolution", "int8", "u8", "Convolution brgemm", (GRID,), 10.0, 20.5, None)
    assert Operation.from_json(json.loads(json.dumps(asdict(made)))) == made


def test_a_field_of_another_type_is_refused() -> None:
    made = asdict(Operation("conv", "Convolution", "int8", "u8", "", ()))
    with pytest.raises(ValueError, match="micros"):
        Operation.from_json({**made, "micros": "fast"})
