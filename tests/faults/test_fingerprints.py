"""A model is known by all that it computes, the bodies of If, Loop and TensorIterator included (fault 1)."""

import json
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops
from openvino.op.util import Variable, VariableInfo

import ovquant
from ovquant.domain.sample import Sample
from ovquant.graph.fingerprint import fingerprint, structure
from ovquant.graph.first_scheme import first_fingerprint

Body = Callable[[openvino.Node], openvino.Node]


def with_if(one: Body, other: Body) -> openvino.Model:
    """x[1,4] → one body or the other, as the sign of the first number says."""

    def branch(make: Body) -> tuple[openvino.Model, openvino.Node]:
        port = ops.parameter([1, 4], np.float32)
        return openvino.Model([ops.result(make(port))], [port]), port

    x = ops.parameter([1, 4], np.float32, name="x")
    x.output(0).set_names({"x"})
    first = ops.gather(ops.reshape(x, ops.constant([4]), False), ops.constant(0), ops.constant(0))
    choice = ops.if_op(ops.greater(first, ops.constant(np.float32(0))).output(0))
    (then, p), (alternative, q) = branch(one), branch(other)
    choice.set_then_body(then)
    choice.set_else_body(alternative)
    choice.set_input(x.output(0), p, q)
    choice.set_output(then.results[0], alternative.results[0])
    return named(openvino.Model([ops.result(choice.output(0))], [x], "router"))


def with_loop(body: Body, *, rounds: int = 3, axis: int = 0) -> openvino.Model:
    """x[1,4] → a body, run a few times on its own answer; the answers of all rounds are returned too."""
    port = ops.parameter([1, 4], np.float32)
    made, again = body(port), ops.constant(np.array(True))
    x = ops.parameter([1, 4], np.float32, name="x")
    x.output(0).set_names({"x"})
    loop = ops.loop(ops.constant(np.int64(rounds)), ops.constant(np.array(True)))
    loop.set_function(openvino.Model([ops.result(made), ops.result(again)], [port]))
    loop.set_special_body_ports([-1, 1])
    loop.set_merged_input(port, x.output(0), made.output(0))
    last = loop.get_iter_value(made.output(0), -1)
    every = loop.get_concatenated_slices(made.output(0), 0, 1, 1, -1, axis)
    return named(openvino.Model([ops.result(last), ops.result(every)], [x], "loop"))


def with_iterator(body: Body, *, stride: int = 1) -> openvino.Model:
    """x[6,4] → a body on each of its rows, or from the last to the first."""
    port = ops.parameter([1, 4], np.float32)
    made = body(port)
    x = ops.parameter([6, 4], np.float32, name="x")
    x.output(0).set_names({"x"})
    iterator = ops.tensor_iterator()
    iterator.set_body(openvino.Model([ops.result(made)], [port]))
    ends = (0, -1) if stride > 0 else (-1, 0)
    iterator.set_sliced_input(port, x.output(0), ends[0], stride, 1, ends[1], 0)
    rows = iterator.get_concatenated_slices(made.output(0), 0, 1, 1, -1, 0)
    return named(openvino.Model([ops.result(rows)], [x], "iterator"))


def named(model: openvino.Model) -> openvino.Model:
    for place, port in enumerate(model.outputs):
        port.get_tensor().set_names({f"y{place}"})
    return model


def add(value: float) -> Body:
    return lambda port: ops.add(port, ops.constant(np.full((1, 4), value, np.float32)))


def clipped(most: float) -> Body:
    return lambda port: ops.clamp(port, 0.0, most)


def nested(inner: Body) -> Body:
    """A body that holds an If of its own."""

    def make(port: openvino.Node) -> openvino.Node:
        def branch(body: Body) -> tuple[openvino.Model, openvino.Node]:
            place = ops.parameter([1, 4], np.float32)
            return openvino.Model([ops.result(body(place))], [place]), place

        first = ops.gather(ops.reshape(port, ops.constant([4]), False), ops.constant(1), ops.constant(0))
        choice = ops.if_op(ops.greater(first, ops.constant(np.float32(0))).output(0))
        (then, p), (other, q) = branch(inner), branch(add(0))
        choice.set_then_body(then)
        choice.set_else_body(other)
        choice.set_input(port.output(0), p, q)
        choice.set_output(then.results[0], other.results[0])
        return choice

    return make


def with_state(value: float, identity: str = "memory", size: int = 4) -> openvino.Model:
    info = VariableInfo()
    info.data_shape, info.data_type, info.variable_id = openvino.PartialShape([1, size]), openvino.Type.f32, identity
    variable = Variable(info)
    x = ops.parameter([1, size], np.float32, name="x")
    read = ops.read_value(ops.constant(np.full((1, size), value, np.float32)), variable)
    now = ops.add(read, x)
    return named(openvino.Model([ops.result(now)], [ops.assign(now, variable)], [x], "stateful"))


def with_input(kind: type) -> openvino.Model:
    x = ops.parameter([1, 4], kind, name="x")
    return named(openvino.Model([ops.result(ops.convert(x, "f32"))], [x], "typed"))


VARIANTS = {
    "a constant in a branch": (with_if(add(1), add(2)), with_if(add(1), add(3))),
    "an attribute in a branch": (with_if(clipped(6), add(2)), with_if(clipped(7), add(2))),
    "branches exchanged": (with_if(add(1), add(2)), with_if(add(2), add(1))),
    "a constant in a loop": (with_loop(add(1)), with_loop(add(2))),
    "an attribute in a loop": (with_loop(clipped(6)), with_loop(clipped(7))),
    "the rounds of a loop": (with_loop(add(1)), with_loop(add(1), rounds=4)),
    "the axis that a loop gathers on": (with_loop(add(1)), with_loop(add(1), axis=1)),
    "a constant in an iterator": (with_iterator(add(1)), with_iterator(add(2))),
    "the direction of an iterator": (with_iterator(add(1)), with_iterator(add(1), stride=-1)),
    "a constant two bodies deep": (with_loop(nested(add(1))), with_loop(nested(add(2)))),
    "the value that a state begins with": (with_state(0), with_state(1)),
    "the type of an input": (with_input(np.float32), with_input(np.float16)),
}


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("read", [fingerprint, structure])
def test_one_change_anywhere_makes_another(name: str, read: Callable[[openvino.Model], str]) -> None:
    one, other = VARIANTS[name]
    assert read(one) != read(other)
    assert read(one) == read(one.clone())


def test_an_option_that_travels_in_the_model_makes_another() -> None:
    plain, grouped = with_if(add(1), add(2)), with_if(add(1), add(2))
    grouped.set_rt_info("32", ["runtime_options", "DYNAMIC_QUANTIZATION_GROUP_SIZE"])
    assert fingerprint(plain) != fingerprint(grouped)


def test_an_operation_that_is_kept_in_f32_makes_another(tmp_path: Path) -> None:
    openvino.save_model(with_input(np.float32), tmp_path / "plain.xml")
    text = (tmp_path / "plain.xml").read_text()
    place = text.index(">", text.index('type="Convert"')) + 1
    precise = '<rt_info><attribute name="precise" version="0" /></rt_info>'
    (tmp_path / "precise.xml").write_text(f"{text[:place]}{precise}{text[place:]}")
    (tmp_path / "plain.bin").rename(tmp_path / "precise.bin")
    core = openvino.Core()
    precise_model = core.read_model(tmp_path / "precise.xml", tmp_path / "precise.bin")
    assert fingerprint(precise_model) != fingerprint(with_input(np.float32))


def test_names_and_ids_make_no_other() -> None:
    assert fingerprint(with_state(0, "memory")) == fingerprint(with_state(0, "variable_174"))
    renamed = with_loop(nested(add(1)))
    for operation in renamed.get_ops():
        operation.set_friendly_name(f"{operation.get_friendly_name()}_again")
    assert fingerprint(renamed) == fingerprint(with_loop(nested(add(1))))


def test_one_file_has_one_fingerprint_however_and_whenever_it_is_read(tmp_path: Path) -> None:
    """In one process, after other models, and in another process."""
    core = openvino.Core()
    files = {}
    for name, (model, _) in VARIANTS.items():
        files[name] = tmp_path / f"{len(files)}.xml"
        openvino.save_model(model, files[name], compress_to_fp16=False)
    found = {name: fingerprint(core.read_model(path)) for name, path in files.items()}
    again = {name: fingerprint(core.read_model(path)) for name, path in reversed(files.items())}
    assert found == again
    program = """
        import sys, openvino
        from ovquant.graph.fingerprint import fingerprint
        for path in sys.argv[1:]:
            print(fingerprint(openvino.Core().read_model(path)))
    """
    command = [sys.executable, "-c", textwrap.dedent(program), *map(str, files.values())]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert lines == list(found.values())


# What rests on it --------------------------------------------------------------------------------------------------

TOKENS, LENGTH, WIDTH, HIDDEN, CLASSES = 60, 16, 32, 128, 4


def routed(seed: int) -> tuple[openvino.Model, list[Sample]]:
    """A classifier of token ids, all of it in the branches of an If, and data that it is right about.

    One number of every embedding is a thousand times larger than the others, so that int8 loses those.
    """
    random = np.random.default_rng(seed)
    table = random.standard_normal((TOKENS, WIDTH)).astype(np.float32)
    table[:, 0] = random.choice([-3000.0, 3000.0], TOKENS)
    first, second = (random.standard_normal(shape).astype(np.float32) for shape in ((WIDTH, HIDDEN), (HIDDEN, CLASSES)))
    first[0], second[0] = 0, 0
    first[0, 0] = 1

    def branch() -> tuple[openvino.Model, openvino.Node]:
        port = ops.parameter([1, LENGTH], np.int64)
        words = ops.gather(ops.constant(table), port, ops.constant(np.int64(0)))
        hidden = ops.relu(ops.matmul(words, ops.constant(first), False, False))
        scores = ops.matmul(ops.reduce_mean(hidden, ops.constant([1]), False), ops.constant(second), False, False)
        return openvino.Model([ops.result(scores)], [port]), port

    ids = ops.parameter([1, LENGTH], np.int64, name="ids")
    ids.output(0).set_names({"ids"})
    token = ops.gather(
        ops.reshape(ids, ops.constant([LENGTH]), False), ops.constant(np.int64(0)), ops.constant(np.int64(0))
    )
    choice = ops.if_op(ops.less(token, ops.constant(np.int64(TOKENS // 2))).output(0))
    (then, p), (other, q) = branch(), branch()
    choice.set_then_body(then)
    choice.set_else_body(other)
    choice.set_input(ids.output(0), p, q)
    choice.set_output(then.results[0], other.results[0])
    model = named(openvino.Model([ops.result(choice.output(0))], [ids], "router"))
    rows = random.integers(0, TOKENS, (240, LENGTH))
    truth = (np.maximum(table[rows] @ first, 0).mean(1) @ second).argmax(1)
    return model, [Sample(row, int(label)) for row, label in zip(rows, truth, strict=True)]


def accuracy(model: openvino.Model, samples: list[Sample]) -> float:
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return float(np.mean([compiled(sample.inputs[None])[0].argmax() == sample.target for sample in samples]))  # type: ignore[call-overload]


F32 = {"INFERENCE_PRECISION_HINT": "f32"}


def test_plans_of_a_search_have_scores_of_their_own() -> None:
    """In f32, where float and its plan are compiled with the same properties."""
    model, data = routed(0)
    how = {"strategy": "first", "recipes": ["default"], "optimize": "size", "properties": F32}
    found = ovquant.quantize(model, data=data, metric="accuracy", max_drop="90%", **how)
    (trial,) = found.trials
    assert trial.search is not None
    assert found.trial.holdout is not None
    assert found.trial.holdout.float_value > 0.98
    assert trial.search.value < 0.9
    assert found.trial.holdout.value == pytest.approx(accuracy(found.model, data), abs=0.1)


def test_applied_to_another_model_a_plan_is_measured_anew() -> None:
    model, data = routed(0)
    how = {"strategy": "first", "recipes": ["default"], "optimize": "size", "properties": F32}
    plan = ovquant.quantize(model, data=data, metric="accuracy", max_drop="90%", **how).trials[0].plan
    retrained, others = routed(5)
    found = ovquant.apply(plan, retrained, data=others, metric="accuracy", max_drop="1%")
    assert found.trial.holdout is not None
    assert found.verdict == "missed"
    assert found.trial.holdout.value == pytest.approx(accuracy(found.model, others), abs=0.1)


def served(store: Path, model: openvino.Model, samples: list[Sample]) -> tuple[float, list[str]]:
    """Return the accuracy of what ovquant.Core serves for a model, and what it warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        compiled = ovquant.Core(store=store).compile_model(model, "CPU", F32)
    right = [compiled(sample.inputs[None])[0].argmax() == sample.target for sample in samples]  # type: ignore[call-overload]
    return float(np.mean(right)), [str(item.message) for item in caught]


def test_a_retrained_model_is_not_served_last_months(tmp_path: Path) -> None:
    model, data = routed(0)
    how = {"strategy": "first", "recipes": ["default"], "optimize": "size", "properties": F32}
    ovquant.quantize(model, data=data, metric="accuracy", max_drop="90%", output=tmp_path / "store" / "old", **how)
    retrained, others = routed(5)
    score, warned = served(tmp_path / "store", retrained, others)
    assert score > 0.98
    assert len(warned) == 1
    assert "served in float" in warned[0]
    # The model that it was made from is known, also where its inputs are called otherwise.
    again, _ = routed(0)
    again.inputs[0].get_tensor().set_names({"tokens"})
    compiled = ovquant.Core(store=tmp_path / "store").compile_model(again, "CPU")
    assert compiled.inputs[0].get_names() == {"tokens"}
    kinds = {node.get_rt_info()["runtimePrecision"].astype(str) for node in compiled.get_runtime_model().get_ops()}
    assert kinds


def test_a_result_of_before_that_did_not_look_inside_is_not_served(tmp_path: Path) -> None:
    model, data = routed(0)
    how = {"strategy": "first", "recipes": ["default"], "optimize": "size", "properties": F32}
    made = ovquant.quantize(
        model, data=data, metric="accuracy", max_drop="90%", output=tmp_path / "store" / "old", **how
    )
    file = made.folder / "result.json"
    values = json.loads(file.read_text())
    for name, shapes in (("model_structure", False), ("model_fingerprint", True)):
        values[name] = first_fingerprint(model, shapes=shapes)
    file.write_text(json.dumps(values))
    score, warned = served(tmp_path / "store", routed(0)[0], data)
    assert score > 0.98
    assert any("did not look into If" in text and "ovquant apply" in text for text in warned)
