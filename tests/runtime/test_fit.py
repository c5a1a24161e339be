"""Samples are fitted to a model's inputs by name, rank, shape and dtype, or refused with the reason."""

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from ovquant.domain.sample import Sample
from ovquant.errors import DataError
from ovquant.runtime import Deployment, compile_model, fit, random_samples


def model(*shapes: list[int], dtypes: tuple[type, ...] = ()) -> openvino.Model:
    kinds = dtypes or (np.float32,) * len(shapes)
    ports = [
        ops.parameter(shape, kind, name=f"in{index}")
        for index, (shape, kind) in enumerate(zip(shapes, kinds, strict=True))
    ]
    for index, port in enumerate(ports):
        port.output(0).get_tensor().set_names({f"in{index}"})
    results = [ops.convert(ops.add(port, port), "f32") for port in ports]
    return openvino.Model(results, ports, "sums")


def test_a_batch_axis_is_added() -> None:
    (array,) = fit(model([-1, 3, 4]).inputs, Sample(np.zeros((3, 4))))
    assert array.shape == (1, 3, 4)
    assert array.dtype == np.float32


def test_a_batch_axis_that_is_there_is_kept() -> None:
    (array,) = fit(model([-1, 3, 4]).inputs, Sample(np.zeros((1, 3, 4), np.float32)))
    assert array.shape == (1, 3, 4)


def test_inputs_are_matched_by_name_and_by_position() -> None:
    inputs = model([1, 2], [1, 3]).inputs
    named = fit(inputs, Sample({"in1": np.ones(3), "in0": np.zeros(2), "unused": np.zeros(9)}))
    placed = fit(inputs, Sample([np.zeros(2), np.ones(3)]))
    assert [array.tolist() for array in named] == [array.tolist() for array in placed] == [[[0, 0]], [[1, 1, 1]]]


def test_a_missing_input_is_named() -> None:
    with pytest.raises(DataError, match=r"'in1' is not in the data.*in0.*Rename"):
        fit(model([1, 2], [1, 3]).inputs, Sample({"in0": np.zeros(2), "other": np.zeros(3)}))


def test_a_wrong_shape_says_expected_and_got() -> None:
    with pytest.raises(DataError, match=r"'in0' expects shape \[\?,3,4\] and sample 7 has \[5, 4\]"):
        fit(model([-1, 3, 4]).inputs, Sample(np.zeros((5, 4))), what="sample 7")


def test_floats_are_not_cut_to_integers() -> None:
    with pytest.raises(DataError, match="int64 values and a sample has float64"):
        fit(model([1, 4], dtypes=(np.int64,)).inputs, Sample(np.zeros(4)))


def test_bytes_become_floats() -> None:
    (array,) = fit(model([1, 4]).inputs, Sample(np.array([0, 1, 2, 255], np.uint8)))
    assert array.tolist() == [[0, 1, 2, 255]]


def test_random_samples_need_fixed_shapes() -> None:
    compiled = compile_model(model([-1, 3, -1]), Deployment())
    with pytest.raises(DataError, match=r"--input-shape"):
        random_samples(compiled)
