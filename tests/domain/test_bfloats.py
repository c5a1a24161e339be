"""bfloat16 is float32 without its lower sixteen bits, rounded as torch rounds it."""

import numpy as np
import openvino
import torch

from ovquant.domain.bfloats import LARGEST, narrowed, widened

VALUES = np.random.default_rng(0).standard_normal((200, 32)).astype(np.float32) * 1e3


def test_rounding_is_that_of_torch() -> None:
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40, 3.3895e38, 1.00390625, 1.01171875]
    values = np.concatenate([np.array(special, np.float32), VALUES.ravel()])
    expected = torch.from_numpy(values).bfloat16()
    assert np.array_equal(widened(narrowed(values)), expected.float().numpy(), equal_nan=True)
    assert np.array_equal(narrowed(values)[5:].view(np.int16), expected.view(torch.int16).numpy()[5:])


def test_half_way_between_two_the_even_one_is_taken() -> None:
    step = 2**-7
    values = np.array([1 + step / 2, 1 + 3 * step / 2, 1 + step / 2 + 2**-20], np.float32)
    assert widened(narrowed(values)).tolist() == [1, 1 + 2 * step, 1 + step]


def test_the_largest_one_stays_and_what_is_nearer_to_the_next_becomes_infinite() -> None:
    assert torch.finfo(torch.bfloat16).max == LARGEST
    above = np.array([LARGEST, LARGEST * (1 + 2**-10), LARGEST * (1 + 2**-8)], np.float32)
    assert widened(narrowed(above)).tolist() == [LARGEST, LARGEST, np.inf]


def test_what_is_no_number_stays_none() -> None:
    """Some have all their bits in the half that goes: without care these would become infinite, or zero."""
    bits = np.array([0x7F800001, 0x7FFFFFFF, 0xFF800001, 0xFFFFFFFF], np.uint32)
    assert np.isnan(widened(narrowed(bits.view(np.float32)))).all()


def test_every_bfloat_is_widened_and_narrowed_to_itself() -> None:
    every = np.arange(2**16, dtype=np.uint16)
    numbers = every[~np.isnan(widened(every.view(np.float16)))]
    assert numbers.size == 2**16 - 2 * (2**7 - 1)
    assert np.array_equal(narrowed(widened(numbers.view(np.float16))).view(np.uint16), numbers)


def test_shapes_stay_whatever_lies_between_the_values() -> None:
    turned = VALUES.T[::2]
    assert narrowed(turned).shape == turned.shape
    assert np.array_equal(narrowed(turned).view(np.uint16), narrowed(VALUES).view(np.uint16).T[::2])
    assert np.array_equal(widened(narrowed(VALUES).T), widened(narrowed(VALUES)).T)


def test_openvino_takes_and_shows_the_same_bits() -> None:
    tensor = openvino.Tensor(openvino.Type.bf16, openvino.Shape(VALUES.shape))
    assert tensor.data.dtype == narrowed(VALUES).dtype
    tensor.data[...] = narrowed(VALUES)
    port = openvino.opset13.parameter(list(VALUES.shape), openvino.Type.bf16)
    model = openvino.Model([openvino.opset13.convert(port, "f32")], [port], "widening")
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    assert np.array_equal(compiled([tensor])[0], widened(narrowed(VALUES)))
