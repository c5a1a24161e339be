"""Fingerprints of the first scheme are known again, and prove nothing of what they did not look into."""

import json
from pathlib import Path

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from ovquant.graph.fingerprint import fingerprint, structure
from ovquant.graph.first_scheme import first_fingerprint, likeness, likenesses
from tests.faults.test_fingerprints import add, clipped, with_if, with_iterator, with_loop, with_state

BEFORE = Path(__file__).parents[1] / "written_before"


def linear(value: float, rows: int = 1, *, turned: bool = False) -> openvino.Model:
    port = ops.parameter([rows, 4], np.float32)
    product = ops.matmul(port, ops.constant(np.full((4, 4), value, np.float32)), False, turned)
    return openvino.Model([ops.clamp(product, 0.0, 6.0)], [port], "linear")


def both(model: openvino.Model) -> tuple[str, str]:
    return first_fingerprint(model, shapes=True), first_fingerprint(model, shapes=False)


def test_they_are_made_as_they_were() -> None:
    values = json.loads((BEFORE / "result" / "result.json").read_text())
    model = openvino.Core().read_model(BEFORE / "net.xml")
    assert both(model) == (values["model_fingerprint"], values["model_structure"])


def test_a_weight_an_attribute_or_the_wiring_makes_another() -> None:
    port = ops.parameter([1, 4], np.float32)
    double, again = ops.add(port, port), ops.parameter([1, 4], np.float32)
    wired = openvino.Model([ops.add(double, port)], [port]), openvino.Model([ops.add(double, double)], [port])
    halves = openvino.Model([ops.add(again, ops.constant(np.ones((1, 4), np.float32)))], [again])
    models = [linear(1), linear(2), linear(1, turned=True), *wired, halves]
    assert len({first_fingerprint(model, shapes=True) for model in models}) == len(models)
    assert len({first_fingerprint(model, shapes=False) for model in models}) == len(models)


def test_a_structure_is_the_same_whatever_the_shapes() -> None:
    small, large = linear(1), linear(1, rows=3)
    assert first_fingerprint(small, shapes=True) != first_fingerprint(large, shapes=True)
    assert first_fingerprint(small, shapes=False) == first_fingerprint(large, shapes=False)


def test_names_of_states_count_for_nothing() -> None:
    assert both(with_state(0, "memory")) == both(with_state(0, "variable_174"))


@pytest.mark.parametrize("shapes", [True, False])
def test_a_model_is_known_by_either_scheme(shapes: bool) -> None:
    now = fingerprint if shapes else structure
    assert likeness(linear(1), first_fingerprint(linear(1), shapes=shapes), shapes=shapes) == "same"
    assert likeness(linear(1), now(linear(1)), shapes=shapes) == "same"
    assert likeness(linear(2), first_fingerprint(linear(1), shapes=shapes), shapes=shapes) == ""
    assert likeness(linear(2), now(linear(1)), shapes=shapes) == ""


def test_a_fingerprint_is_compared_with_shapes_and_a_structure_without() -> None:
    reshaped = linear(1, rows=3)
    assert likeness(reshaped, fingerprint(linear(1))) == ""
    assert likeness(reshaped, structure(linear(1)), shapes=False) == "same"
    assert likeness(reshaped, first_fingerprint(linear(1), shapes=True)) == ""
    assert likeness(reshaped, first_fingerprint(linear(1), shapes=False), shapes=False) == "same"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (with_if(add(1), add(2)), with_if(add(1), add(3))),
        (with_loop(clipped(6)), with_loop(clipped(7))),
        (with_iterator(add(1)), with_iterator(add(2))),
    ],
    ids=["if", "loop", "iterator"],
)
def test_of_a_model_with_bodies_the_first_scheme_proves_nothing(one: openvino.Model, other: openvino.Model) -> None:
    assert both(one) == both(other)
    assert likeness(other, first_fingerprint(one, shapes=True)) == "alike"
    assert likeness(other, first_fingerprint(one, shapes=False), shapes=False) == "alike"
    # The present one looks inside.
    assert (likeness(one, fingerprint(one)), likeness(other, fingerprint(one))) == ("same", "")


def test_many_structures_are_compared_at_once() -> None:
    model, first = linear(1), first_fingerprint(linear(1), shapes=False)
    others = [structure(linear(2)), first_fingerprint(linear(2), shapes=False)]
    recorded = [structure(model), first, *others, first]
    assert likenesses(model, recorded) == {structure(model): "same", first: "same", others[0]: "", others[1]: ""}
    routed = with_if(add(1), add(2))
    assert likenesses(routed, [first_fingerprint(routed, shapes=False)]) == {
        first_fingerprint(routed, shapes=False): "alike"
    }
    assert likenesses(model, []) == {}
