"""A layer is a value: equal by its names, and never changed."""

from dataclasses import FrozenInstanceError, astuple

import pytest

from ovquant.domain.layer import Layer


def test_a_layer_is_known_by_what_it_holds() -> None:
    made = Layer("stem", ("stem", "add"), ("stem/fq",), ("Convolution", "Add"))
    assert made == Layer(name="stem", operations=("stem", "add"), quantizers=("stem/fq",), kinds=("Convolution", "Add"))
    assert astuple(made) == ("stem", ("stem", "add"), ("stem/fq",), ("Convolution", "Add"))
    assert made != Layer("stem", ("stem",), ("stem/fq",), ("Convolution",))


def test_a_layer_can_be_a_key_and_stays_what_it_was() -> None:
    made, again = (Layer("stem", ("stem",), ("stem/fq",), ("Convolution",)) for _ in range(2))
    assert {made: "int8"}[again] == "int8"
    with pytest.raises(FrozenInstanceError):
        made.name = "head"  # type: ignore[misc]
