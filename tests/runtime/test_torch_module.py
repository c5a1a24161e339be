"""A compiled model is a module that is called with tensors: by place or by name, of any type, from many threads."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import openvino
import pytest
import torch
from openvino import opset13 as ops
from openvino.op.util import Variable, VariableInfo

from ovquant.errors import DataError, ModelError, UsageError
from ovquant.runtime.torch_module import QuantizedModule
from tests.runtime.conftest import F32, doubler, mixer

X, SHIFT = (torch.randn(5, 4, generator=torch.Generator().manual_seed(seed)) for seed in range(2))


def module(model: openvino.Model) -> QuantizedModule:
    return QuantizedModule(openvino.Core().compile_model(model, "CPU", F32))


def test_tensors_are_given_by_place_or_by_name() -> None:
    mixed = module(mixer())
    expected = mixed.compiled({"x": X.numpy(), "shift": SHIFT.numpy()})
    calls = (mixed(X, SHIFT), mixed(X, shift=SHIFT), mixed(shift=SHIFT, x=X), mixed.infer({"shift": SHIFT, "x": X}))
    for total, product in calls:
        np.testing.assert_array_equal(total.numpy(), expected[0])
        np.testing.assert_array_equal(product.numpy(), expected[1])
    assert torch.allclose(calls[0][0], X + SHIFT)
    assert torch.allclose(calls[0][1], X * SHIFT)


def test_one_output_is_a_tensor_and_not_a_tuple() -> None:
    found = module(doubler([-1, 4]))(X)
    assert torch.equal(found, 2 * X)
    (only,) = module(doubler([-1, 4])).infer({"x": X})
    assert torch.equal(only, found)


def test_it_is_for_inference_alone() -> None:
    found = module(doubler([-1, 4]))
    assert not list(found.parameters())
    assert not found(X.clone().requires_grad_()).requires_grad


def test_answers_stay_when_it_is_called_again() -> None:
    twice = module(doubler([1, 4]))
    first = twice(X[:1])
    twice(X[1:2])
    assert torch.equal(first, 2 * X[:1])


def test_inputs_that_do_not_fit_the_names_are_named() -> None:
    mixed = module(mixer())
    with pytest.raises(UsageError, match="has the inputs x, shift, and was given a tensor\\."):
        mixed(X)
    with pytest.raises(UsageError, match="given a tensor, x"):
        mixed(X, x=X)
    with pytest.raises(UsageError, match="given nothing"):
        mixed()
    with pytest.raises(UsageError, match="given a tensor, a tensor, a tensor"):
        mixed(X, SHIFT, X)
    with pytest.raises(UsageError, match="given x, other"):
        mixed(x=X, other=SHIFT)
    with pytest.raises(UsageError, match="given a tensor, x, shift"):
        mixed(X, x=X, shift=SHIFT)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float32, torch.float16])
def test_a_module_takes_and_returns_numbers(kind: torch.dtype) -> None:
    """Of a model of bfloat16, which numpy lacks."""
    port = ops.parameter([1, 4], openvino.Type.bf16)
    port.output(0).get_tensor().set_names({"x"})
    made = ops.convert(ops.multiply(ops.convert(port, "f32"), ops.constant(np.float32(2))), "bf16")
    values = X[:1] * 100
    found = module(openvino.Model([made], [port], "scaled"))(values.to(kind))
    assert found.dtype == torch.bfloat16
    assert torch.allclose(found.float(), 2 * values, rtol=1e-2)


def test_outputs_have_the_type_that_the_model_gives_them() -> None:
    port = ops.parameter([1, 4], np.float32)
    port.output(0).get_tensor().set_names({"x"})
    outputs = [ops.convert(port, "i32"), ops.convert(port, "f16"), ops.greater(port, ops.constant(np.float32(0)))]
    found = module(openvino.Model(outputs, [port], "types"))(torch.tensor([[-1.0, 0.0, 1.0, 2.0]]))
    assert [item.dtype for item in found] == [torch.int32, torch.float16, torch.bool]
    assert [item.tolist()[0] for item in found] == [[-1, 0, 1, 2], [-1, 0, 1, 2], [False, False, True, True]]


def test_a_module_refuses_what_its_input_cannot_hold() -> None:
    port = ops.parameter([1, 2], np.int32)
    port.output(0).get_tensor().set_names({"ids"})
    made = module(openvino.Model([ops.add(port, port)], [port], "ids"))
    assert made(torch.tensor([[3, 1]])).tolist() == [[6, 2]]
    with pytest.raises(DataError, match="'ids' takes i32 values.*the call has 3000000000"):
        made(torch.tensor([[3_000_000_000, 1]]))


def test_what_is_no_tensor_is_made_one() -> None:
    assert module(doubler([1, 2]))([[1.0, 2.0]]).tolist() == [[2.0, 4.0]]  # type: ignore[arg-type]


def test_one_request_is_made_for_all_calls_of_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    twice, made = module(doubler([1, 4])), []
    create = twice.compiled.create_infer_request
    monkeypatch.setattr(twice.compiled, "create_infer_request", lambda: made.append(create()) or made[-1])
    for place in range(3):
        assert torch.equal(twice(X[place : place + 1]), 2 * X[place : place + 1])
    assert len(made) == 1


def test_threads_may_share_it() -> None:
    """Each has a request of its own, so that nobody gets another's answer."""
    port = ops.parameter([64, 256], np.float32)
    port.output(0).get_tensor().set_names({"x"})
    node: openvino.Node = port
    for seed in range(4):
        weights = np.random.default_rng(seed).standard_normal((256, 256)).astype(np.float32) / 16
        node = ops.relu(ops.matmul(node, ops.constant(weights), False, False))
    shared = module(openvino.Model([node], [port], "deep"))
    inputs = [torch.full((64, 256), float(number)) for number in range(1, 5)]
    expected = [shared(item) for item in inputs]

    def call(number: int) -> list[bool]:
        return [torch.equal(shared(inputs[number]), expected[number]) for _ in range(30)]

    with ThreadPoolExecutor(4) as pool:
        assert all(all(found) for found in pool.map(call, range(4)))


ROWS = torch.randn(11, 4, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 8, 11])
def test_a_fixed_batch_takes_any_number_of_rows(rows: int) -> None:
    """Fewer or more than the four of a request were refused by openvino."""
    found = module(doubler([4, 4]))(ROWS[:rows])
    assert torch.equal(found, 2 * ROWS[:rows])


def test_rows_fill_all_inputs_of_a_fixed_batch() -> None:
    model = mixer()
    model.reshape({place: [4, 4] for place in range(2)})
    total, product = module(model)(ROWS[:6], ROWS[5:11])
    assert torch.allclose(total, ROWS[:6] + ROWS[5:11])
    assert torch.allclose(product, ROWS[:6] * ROWS[5:11])
    with pytest.raises(UsageError, match="batch of 4, and was given rows: 3 of 'x', 4 of 'shift'"):
        module(model)(ROWS[:3], ROWS[:4])


def named(name: str, *shape: int) -> openvino.Node:
    port = ops.parameter(list(shape), np.float32, name=name)
    port.output(0).get_tensor().set_names({name})
    return port


def test_inputs_without_a_row_for_each_are_given_as_they_are() -> None:
    x, gains, scale = named("x", 4, 3), named("gains", 3), named("scale")
    scaled = module(openvino.Model([ops.multiply(ops.multiply(x, gains), scale)], [x, gains, scale], "scaled"))
    given, factors = ROWS[:6, :3], torch.tensor([1.0, 2.0, 3.0])
    assert torch.allclose(scaled(given, factors, torch.tensor(2.0)), 2 * given * factors)


def test_rows_that_an_output_does_not_hold_one_after_the_other_are_refused() -> None:
    x = named("x", 4, 4)
    turned = module(openvino.Model([ops.transpose(x, ops.constant(np.array([1, 0])))], [x], "turned"))
    assert torch.equal(turned(ROWS[:4]), ROWS[:4].T)
    with pytest.raises(ModelError, match=r"has the shape \[4,4\].* Or call it with a batch of 4"):
        turned(ROWS[:3])
    summed = module(openvino.Model([ops.reduce_sum(x, ops.constant(np.array([0])), True)], [x], "summed"))
    with pytest.raises(ModelError, match=r"has the shape \[1,4\].* Or call it with a batch of 4"):
        summed(ROWS[:1])


@pytest.mark.parametrize("rows", [1, 3, 6])
def test_rows_that_depend_on_those_beside_them_are_refused(rows: int) -> None:
    """What fills a request up would change the answer."""
    x = named("x", 4, 4)
    mean = ops.reduce_mean(x, ops.constant(np.array([0])), True)
    centred = module(openvino.Model([ops.subtract(x, mean)], [x], "centred"))
    with pytest.raises(ModelError, match="Or call it with a batch of 4"):
        centred(ROWS[:rows])


def test_rows_of_numbers_without_fractions_are_taken_too() -> None:
    ids = ops.parameter([4, 3], np.int64, name="ids")
    ids.output(0).get_tensor().set_names({"ids"})
    table = ops.constant(np.arange(10, dtype=np.float32)[:, None])
    read = module(openvino.Model([ops.gather(table, ids, ops.constant(0))], [ids], "read"))
    assert read(torch.tensor([[9, 1, 2]])).tolist() == [[[9.0], [1.0], [2.0]]]


def test_a_batch_of_one_takes_one_row_after_the_other() -> None:
    assert torch.equal(module(doubler([1, 4]))(ROWS), 2 * ROWS)
    x = named("x", 1, 4)
    listed = module(openvino.Model([ops.reshape(x, ops.constant(np.array([2, 2])), False)], [x], "listed"))
    assert listed(ROWS[:1]).shape == (2, 2)
    with pytest.raises(ModelError, match=r"has the shape \[2,2\].* Or call it with a batch of 1"):
        listed(ROWS[:2])


def test_state_is_kept_for_whole_batches_alone() -> None:
    x = named("x", 2, 3)
    start = ops.constant(np.zeros((2, 3), np.float32))
    info = VariableInfo()
    info.data_shape, info.data_type, info.variable_id = openvino.PartialShape([2, 3]), openvino.Type.f32, "sum"
    variable = Variable(info)
    total = ops.add(ops.read_value(start, variable), x)
    kept = ops.assign(total, variable)
    counting = module(openvino.Model([ops.result(total)], [kept], [x], "counting"))
    assert torch.equal(counting(ROWS[:2, :3]), ROWS[:2, :3])
    assert torch.allclose(counting(ROWS[:2, :3]), 2 * ROWS[:2, :3])
    with pytest.raises(UsageError, match="keeps state.*batch of 2, not 1"):
        counting(ROWS[:1, :3])
