"""How many tokens a model knows is told by the table that their ids choose from."""

import nncf
import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from ovquant.graph.vocabulary import known_tokens
from tests.decoders import SMALL, decoder


@pytest.mark.parametrize("compressed", [False, True])
def test_the_table_of_a_decoder_tells(compressed: bool) -> None:
    model = nncf.compress_weights(decoder()) if compressed else decoder()
    assert known_tokens(model) == {"input_ids": SMALL.vocab_size}


def test_what_chooses_from_no_table_of_constants_tells_nothing() -> None:
    ids, table = ops.parameter([-1], np.int32, name="ids"), ops.parameter([9, 4], np.float32, name="table")
    axis, constant = ops.constant(np.int32(1)), ops.constant(np.zeros((4, 7), np.float32))
    gathered = ops.gather(table, ids, ops.constant(np.int32(0)))
    columns = ops.gather(constant, ids, axis)
    model = openvino.Model([ops.result(gathered), ops.result(columns)], [ids, table], "odd")
    assert known_tokens(model) == {}


def test_ids_in_another_type_and_several_tables_count_too() -> None:
    ids, zero = ops.parameter([-1], np.int64, name="ids"), ops.constant(np.int32(0))
    ids.output(0).get_tensor().set_names({"ids"})
    tables = [ops.constant(np.zeros((rows, 2), np.float32)) for rows in (8, 6)]
    found = [ops.gather(table, ops.convert(ids, "i32"), zero) for table in tables]
    model = openvino.Model([ops.result(value) for value in found], [ids], "two")
    assert known_tokens(model) == {"ids": 6}
