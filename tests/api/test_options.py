"""Which options each public function takes, what they are by default, and how they become a deployment."""

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

import ovquant
from ovquant.api.options import (
    ApplyOptions,
    CheckOptions,
    MeasureOptions,
    Options,
    ProfileOptions,
    QuantizeOptions,
    ServeOptions,
    check_slices,
    read_options,
)
from ovquant.domain.budget import Budget, Drop
from ovquant.domain.plan import Plan
from ovquant.domain.recipe import Recipe
from ovquant.errors import UsageError
from ovquant.runtime import Deployment
from tests.api.models import QUICK, linear, samples

SERVE = {"device", "optimize", "batch", "threads", "properties", "input_shape", "prompt_tokens", "new_tokens"}
MEASURE = SERVE | {"seed"}
WORKER = {"isolate", "trial_timeout"}
PROFILE = MEASURE | {"recipes", "strategy", "time_budget", "max_trials", "keep_float", "group_by", "executor"} | WORKER
TAKEN = [
    (ServeOptions, SERVE),
    (MeasureOptions, MEASURE),
    (ApplyOptions, MEASURE | {"slice_by", "group_by", "show_samples"} | WORKER),
    (CheckOptions, {"device", "seed", "slice_by", "group_by"}),
    (ProfileOptions, PROFILE),
    (QuantizeOptions, PROFILE | {"pareto", "processors", "slice_by", "show_samples", "train", "trainer"}),
]


@pytest.mark.parametrize(("taken", "names"), TAKEN)
def test_each_function_takes_its_own_options_and_no_others(taken: type, names: set[str]) -> None:
    for item in fields(Options):
        given = {item.name: item.default}
        if item.name in names:
            assert read_options(given, taken) == Options()
        else:
            with pytest.raises(UsageError, match=f"The option '{item.name}' is not taken here"):
                read_options(given, taken)


def test_what_is_not_taken_is_named_beside_what_is() -> None:
    listed = "device, optimize, batch, threads, properties, input_shape, prompt_tokens, new_tokens, seed."
    with pytest.raises(UsageError, match="'batches' is not taken here. Did you mean 'batch'?"):
        read_options({"batches": 1}, MeasureOptions)
    with pytest.raises(UsageError, match=f"'colour' is not taken here. The options: {listed}$"):
        read_options({"seed": 1, "colour": "red"}, MeasureOptions)


def test_what_is_given_is_kept() -> None:
    assert read_options({"batch": 2, "seed": 5}, MeasureOptions) == Options(batch=2, seed=5)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("batch", 0, "--batch is 0; it is at least 1"),
        ("batch", -3, "--batch is -3"),
        ("max_trials", 0, "--max-trials is 0; it is at least 1"),
        ("optimize", "speed", "--optimize is 'speed'; choose latency, throughput, size, first-token or next-token"),
    ],
)
def test_values_that_make_no_sense_are_refused(name: str, value: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_options({name: value}, QuantizeOptions)


@pytest.mark.parametrize(
    ("name", "value"),
    [("batch", 1), ("max_trials", 1), ("optimize", "latency"), ("optimize", "throughput"), ("optimize", "size")],
)
def test_values_at_the_edge_are_taken(name: str, value: Any) -> None:
    assert getattr(read_options({name: value}, QuantizeOptions), name) == value


def test_the_defaults_are_for_low_latency_on_the_cpu() -> None:
    made = Options()
    assert (made.device, made.optimize, made.strategy, made.seed) == ("CPU", "latency", "integer-program", 0)
    assert (made.pareto, made.recipes, made.keep_float) == (False, (), ())
    assert (made.time_budget, made.max_trials, made.slice_by, made.group_by) == (None, None, None, None)
    assert made.deployment() == Deployment("CPU", {"PERFORMANCE_HINT": "LATENCY"}, 1)


def test_a_deployment_says_the_hint_and_what_was_asked_for() -> None:
    assert Options(optimize="throughput").deployment().properties == {"PERFORMANCE_HINT": "THROUGHPUT"}
    assert Options(optimize="size").deployment().properties == {"PERFORMANCE_HINT": "LATENCY"}
    made = Options(device="GPU", batch=4, threads=3, properties={"NUM_STREAMS": 2})  # type: ignore[dict-item]
    assert made.own_properties() == {"INFERENCE_NUM_THREADS": "3", "NUM_STREAMS": "2"}
    expected = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": "3", "NUM_STREAMS": "2"}
    assert made.deployment() == Deployment("GPU", expected, 4)


def test_a_property_wins_over_what_it_stands_for() -> None:
    given = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_NUM_THREADS": "8"}
    assert Options(threads=3, properties=given).deployment().properties == given


def test_slices_and_what_they_may_lose_go_together() -> None:
    plain, sliced = Budget(Drop(0.1)), Budget(Drop(0.1), worst_slice=Drop(0.2))
    check_slices(plain, Options())
    check_slices(sliced, Options(slice_by="target"))
    for budget, settings in ((sliced, Options()), (plain, Options(slice_by="target"))):
        with pytest.raises(UsageError, match="--slice-by and --worst-slice go together"):
            check_slices(budget, settings)


def inspected(**options: Any) -> Any:
    return ovquant.inspect(linear(), **options)


def benchmarked(**options: Any) -> Any:
    return ovquant.benchmark([linear()], **options)


def evaluated(**options: Any) -> Any:
    return ovquant.evaluate(linear(), data=samples(60), metric="accuracy", **options)


def applied(**options: Any) -> Any:
    return ovquant.apply(Plan("default", Recipe()), linear(), data=samples(60), metric="accuracy", **options)


def profiled(**options: Any) -> Any:
    return ovquant.profile(linear(), data=samples(60), metric="accuracy", output="profile.jsonl", **options)


def checked(**options: Any) -> Any:
    return ovquant.check("no such result", data=samples(60), **options)


def quantized(**options: Any) -> Any:
    return ovquant.quantize(linear(), data=samples(120), metric="accuracy", **options)


@pytest.mark.parametrize(
    ("call", "name", "value"),
    [
        (inspected, "strategy", "first"),
        (inspected, "seed", 1),
        (benchmarked, "group_by", "target"),
        (evaluated, "group_by", "target"),
        (applied, "keep_float", ["head"]),
        (checked, "batch", 2),
        (profiled, "slice_by", "target"),
        (quantized, "colour", "red"),
    ],
)
def test_a_public_function_names_the_option_that_it_does_not_take(
    call: Callable[..., Any], name: str, value: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=f"The option '{name}' is not taken here"):
        call(**{name: value})
    assert list(tmp_path.iterdir()) == []


def test_quantize_and_apply_take_a_whole_budget() -> None:
    budget = Budget(Drop(0.1), max_size_bytes=10**6)
    made = quantized(budget=budget, **QUICK)
    assert (made.verdict, made.budget) == ("met", replace(budget, metric="Accuracy"))
    other = Budget(Drop(0.2, relative=True))
    again = ovquant.apply(made.plan, linear(), data=samples(120), metric="accuracy", budget=other)
    assert (again.verdict, again.budget) == ("met", replace(other, metric="Accuracy"))


@pytest.mark.parametrize("call", [quantized, applied])
@pytest.mark.parametrize("beside", [{"max_drop": "1%"}, {"floor": 0.5}, {"confidence": 0.9}])
def test_a_budget_beside_a_limit_is_refused(call: Callable[..., Any], beside: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="Give a budget, or drops and limits that make one, but not both"):
        call(budget=Budget(Drop(0.1)), **beside)


def test_what_the_command_line_takes_python_takes() -> None:
    assert read_options({"time_budget": "1m", "trial_timeout": "1h"}, QuantizeOptions).time_budget == 60
    assert read_options({"trial_timeout": "90s"}, ApplyOptions).trial_timeout == 90
    with pytest.raises(UsageError, match="--trial-timeout is 'soon'"):
        read_options({"trial_timeout": "soon"}, ApplyOptions)
    with pytest.raises(UsageError, match="Did you mean 'max_latency'?"):
        quantized(max_latncy="5ms")
    with pytest.raises(UsageError, match="max_size is given twice"):
        quantized(max_size="5MB", max_size_bytes=10)
    made = quantized(max_drop="20%", max_latency="1s", max_size="1MB", **QUICK)
    assert (made.budget.max_latency_ms, made.budget.max_size_bytes) == (1000, 10**6)
