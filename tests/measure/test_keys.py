"""A name that no input has is told, with the near one."""

from typing import Any

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from ovquant.domain.sample import Sample
from ovquant.errors import DataError
from ovquant.measure.keys import check_keys, key_notes, targets_hint

ROW = np.zeros(3, np.float32)


def ports(*names: str) -> list[Any]:
    parameters = [ops.parameter([-1, 3], np.float32) for _ in names]
    for parameter, name in zip(parameters, names, strict=True):
        parameter.output(0).get_tensor().set_names({name})
    return openvino.Model([ops.relu(parameter) for parameter in parameters], parameters, "net").inputs


def sample(*names: str) -> Sample:
    return Sample(dict.fromkeys(names, ROW))


@pytest.mark.parametrize(
    ("inputs", "given", "said"),
    [
        (
            ("left", "right"),
            ("left", "rihgt"),
            "has left, rihgt, and no input of the model is called 'rihgt': did you mean 'right'\\?.*left, right",
        ),
        (("left", "right"), ("left", "Right"), "called 'Right': did you mean 'right'"),
        (("left", "right"), ("left", "mask"), "called 'mask': the input 'right' has none"),
        (("image",), ("mask", "imgae"), "called 'imgae': did you mean 'image'"),
    ],
)
def test_a_wrong_name_is_told(inputs: tuple[str, ...], given: tuple[str, ...], said: str) -> None:
    with pytest.raises(DataError, match=said):
        check_keys(ports(*inputs), sample(*given), "the first sample")


def test_what_is_not_needed_or_alone_is_fine() -> None:
    check_keys(ports("left", "right"), sample("left", "right", "rihgt"), "it")
    check_keys(ports("image"), sample("pixels"), "it")
    check_keys(ports("left", "right"), Sample([ROW, ROW]), "it")


def test_an_only_array_whose_name_looks_like_a_slip_is_noted() -> None:
    assert key_notes(ports("image"), sample("imgae")) == (
        "The data's 'imgae' was taken for the model's only input, 'image'.",
    )
    assert key_notes(ports("image"), sample("pixels")) == ()
    assert key_notes(ports("image"), sample("image")) == ()
    assert key_notes(ports("image"), Sample(ROW)) == ()


def test_what_may_be_the_targets_is_told() -> None:
    assert "takes 'tragets', which they have" in targets_hint(ports("x"), sample("x", "mask", "tragets"))
    assert "call them 'targets'" in targets_hint(ports("x"), sample("x", "label"))
    assert "label-free" in targets_hint(ports("x"), sample("x"))
