"""Samples are fitted to a model's inputs by name, rank, shape and dtype, or refused with the reason."""

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from ovquant.domain.sample import Sample
from ovquant.errors import DataError, ModelError
from ovquant.graph.shapes import static_batch, with_batch
from ovquant.runtime import Deployment, Requests, compile_model, fit, random_samples, request


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


def test_a_static_batch_is_filled_going_round() -> None:
    inputs = model([4, 2]).inputs
    (array,) = request(inputs, [Sample(np.full(2, index)) for index in range(3)], 0, static_batch(inputs))
    assert array[:, 0].tolist() == [0, 1, 2, 0]


def test_the_batch_can_be_fixed() -> None:
    source = model([-1, 3], [-1, 2])
    fixed = with_batch(source, 8)
    assert static_batch(fixed.inputs) == 8
    assert static_batch(source.inputs) == 1


def test_a_scalar_has_no_batch() -> None:
    with pytest.raises(ModelError, match="no batch axis"):
        with_batch(model([]), 2)


def test_random_samples_need_fixed_shapes() -> None:
    compiled = compile_model(model([-1, 3, -1]), Deployment())
    with pytest.raises(DataError, match=r"--input-shape"):
        random_samples(compiled)


def test_a_dataset_is_read_as_whole_requests_of_a_static_batch() -> None:
    inputs, told = model([4, 2]).inputs, list[tuple[int, int]]()
    data = [Sample(np.full(2, index)) for index in range(10)]
    requests = Requests(inputs, data, lambda done, total: told.append((done, total)))
    assert [array[:, 0].tolist() for (array,) in requests] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert told == [(1, 2), (2, 2)]
    assert [array[:, 0].tolist() for (array,) in Requests(inputs, data[:3], lambda *_: None)] == [[0, 1, 2, 0]]
