"""Names of operations: of their own, and the same whenever a model is made."""

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

import ovquant
from ovquant.graph.names import names_of, with_unique_names
from ovquant.testing import in_float


def unnamed() -> openvino.Model:
    """Return a model whose operations were given no names."""
    port = ops.parameter([1, 3, 8, 8], np.float32)
    features = port
    for _ in range(3):
        kernel = np.ones((3, 3, 3, 3), np.float32)
        features = ops.relu(ops.convolution(features, kernel, [1, 1], [1, 1], [1, 1], [1, 1]))
    return openvino.Model([ops.result(features)], [port], "net")


def names(model: openvino.Model) -> list[str]:
    return [node.get_friendly_name() for node in model.get_ordered_ops() if node.get_type_name() != "Constant"]


def test_made_up_names_are_the_same_each_time() -> None:
    first, second = (names(with_unique_names(unnamed(), made_up="any")) for _ in range(2))
    assert first == second
    assert [name for name in first if name.startswith("Conv")] == ["Convolution-0", "Convolution-1", "Convolution-2"]
    assert names(with_unique_names(unnamed())) != names(with_unique_names(unnamed()))


def test_what_was_given_a_name_keeps_it() -> None:
    model = unnamed()
    for place, node in enumerate(model.get_ordered_ops()):
        if node.get_type_name() == "Convolution":
            node.set_friendly_name(f"block.{place}")
    found = names(with_unique_names(model, made_up="any"))
    assert sum(name.startswith("block.") for name in found) == 3
    assert "Relu-0" in found


def test_names_that_only_look_made_up_are_kept() -> None:
    """Exporters number operations too: MatMul_12 is then a name."""
    model = unnamed()
    for place, node in enumerate(model.get_ordered_ops()):
        if node.get_type_name() != "Constant":
            node.set_friendly_name(f"{node.get_type_name()}_{900_000 + place}")
    assert names(with_unique_names(model, made_up="any")) == names(model)


def test_numbers_handed_on_from_operations_that_are_gone_are_made_up() -> None:
    model = unnamed()
    nodes = [node for node in model.get_ordered_ops() if node.get_type_name() == "Relu"]
    number = int(nodes[0].get_name().rpartition("_")[2])
    nodes[0].set_friendly_name(f"Transpose_{number + 1}")
    assert "Relu-0" in names(with_unique_names(model, made_up="any"))
    assert f"Transpose_{number + 1}" in names(with_unique_names(model, made_up="own"))


def test_the_model_that_is_passed_in_is_not_changed() -> None:
    model = unnamed()
    before = names(model)
    with_unique_names(model, made_up="any")
    assert names(model) == before


@pytest.mark.parametrize("repeated", ["same", "Relu_1"])
def test_repeated_names_are_told_apart(repeated: str) -> None:
    model = unnamed()
    for node in model.get_ordered_ops():
        node.set_friendly_name(repeated)
    found = names(with_unique_names(model))
    assert len(set(found)) == len(found)


def test_a_plan_fits_the_same_model_made_again() -> None:
    samples = [
        ovquant.Sample(array) for array in np.random.default_rng(0).standard_normal((120, 3, 8, 8)).astype(np.float32)
    ]
    how = {"data": samples, "metric": "fidelity:by=cosine", "max_drop": 0.5}
    first = ovquant.apply(ovquant.Plan("default", ovquant.Recipe()), unnamed(), **how)
    layers = first.trial.layers
    assert layers is not None
    assert {"Convolution-0", "Convolution-1", "Convolution-2"} <= set(layers)
    plan = first.plan.with_levels(in_float("Convolution-1"))
    # Operations were made in between, so that openvino's own numbers have moved on.
    again = ovquant.apply(plan, unnamed(), **how)
    assert again.trial.layers is not None
    assert again.trial.layers["Convolution-1"] == "float"


def test_a_port_is_called_by_its_name_or_else_by_its_place() -> None:
    ports = [ops.parameter([1, 4], np.float32) for _ in range(3)]
    model = openvino.Model([ops.add(ops.add(ports[0], ports[1]), ports[2])], ports, "sum")
    # A new model's ports are named by openvino; these names are taken away again.
    for port, given in zip(model.inputs, (set[str](), {"x"}, set[str]()), strict=True):
        port.get_tensor().set_names(given)
    assert names_of(model.inputs) == ["0", "x", "2"]
    assert names_of(with_unique_names(model).inputs) == ["input:0", "x", "input:2"]
