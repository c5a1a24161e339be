"""Budgets that hold with and without VNNI: one way of adding int8 products is the processor's, and the other is simulated.

The net's second layer sums large values, which sixteen bits do not hold, so that its int8 answers are right where sums are exact and
arbitrary where they saturate, unless weights have seven bits. Every processor has one of the two, so all of it is run on all.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

import ovquant
from ovquant.domain.checks import BOTH
from ovquant.domain.trial import WHERE
from ovquant.runtime import int8_arithmetic, simulation

WIDTH = 64
HERE = int8_arithmetic("CPU")
THERE = {"exact": "saturating", "saturating": "exact"}[HERE]
BY_SIZE: dict[str, Any] = {"metric": "accuracy", "max_drop": "5%", "optimize": "size", "strategy": "first"}


def brighter_half() -> openvino.Model:
    """Return x[?,64,4,4] → scores[?,2]: the mean of either half of the channels."""
    port = ops.parameter([-1, WIDTH, 4, 4], np.float32, name="x")
    port.output(0).get_tensor().set_names({"x"})
    same = np.eye(WIDTH, dtype=np.float32)
    halves = np.kron(np.eye(2), np.ones((WIDTH // 2, WIDTH // 2))).astype(np.float32)
    found = port
    for name, weights in (("same", same), ("halves", halves)):
        layer = ops.convolution(found, weights[:, :, None, None], [1, 1], [0, 0], [0, 0], [1, 1])
        layer.set_friendly_name(name)
        found = ops.relu(layer)
    mean = ops.reduce_mean(found, ops.constant([2, 3]), False)
    head = ops.matmul(mean, ops.constant(np.kron(np.eye(2), np.ones((WIDTH // 2, 1))).astype(np.float32)), False, False)
    head.set_friendly_name("head")
    made = openvino.Model([head], [port], "brighter half")
    made.outputs[0].get_tensor().set_names({"scores"})
    return made


def bright_samples(count: int, seed: int) -> list[ovquant.Sample]:
    """Return images of large values of which one half is a little brighter, with which half that is."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        image, target = random.uniform(0.8, 1.0, (1, WIDTH, 4, 4)).astype(np.float32), int(random.integers(2))
        half = slice(target * WIDTH // 2, (target + 1) * WIDTH // 2)
        image[:, half] = np.minimum(1.0, image[:, half] + 0.05)
        found.append(ovquant.Sample({"x": image}, target))
    return found


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bright") / "net.xml"
    openvino.save_model(brighter_half(), path, compress_to_fp16=False)
    return path


def quantize(net: Path, output: Path, recipe: str, **options: Any) -> ovquant.Result:
    data, holdout = bright_samples(120, 1), bright_samples(120, 2)
    how = {**BY_SIZE, "isolate": True, "recipes": [recipe], **options}
    return ovquant.quantize(net, data=data, holdout=holdout, output=output, **how)


def test_eight_bits_hold_the_budget_where_sums_are_exact_alone(net: Path, tmp_path: Path) -> None:
    here = quantize(net, tmp_path / "this", "default")
    anywhere = quantize(net, tmp_path / "any", "default", processors="any")
    assert here.verdict == ("met" if HERE == "exact" else "float")
    # It would be a false `met` on one kind of processor.
    assert anywhere.verdict == "float"
    (trial,) = anywhere.trials
    if HERE == "exact":
        assert here.trial.elsewhere is not None
        assert not here.trial.elsewhere.inside
        assert any("outside the budget there" in note for note in here.notes)
        assert [score.arithmetic for score in trial.search.all] == ["", "saturating"]
    assert not trial.search.inside
    assert trial.divergence > 0.01


def test_seven_bits_hold_it_on_both_and_are_served_on_both(net: Path, tmp_path: Path) -> None:
    result = quantize(net, tmp_path / "out", "seven-bits", processors="any")
    assert result.verdict == "met"
    assert [score.arithmetic for score in result.trial.holdout.all] == ["", THERE]
    assert result.trial.holdout.inside
    assert any("The budget holds with either way" in note for note in result.notes)
    assert f"Accuracy on {WHERE[THERE]}" in (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    lines = (tmp_path / "out" / "profile.jsonl").read_text(encoding="utf-8").splitlines()
    simulated = [entry for entry in map(json.loads, lines) if "simulated" in entry["key"]]
    assert sorted({entry["kind"] for entry in simulated}) == ["divergence", "evaluation"]
    values = json.loads((tmp_path / "out" / "result.json").read_text(encoding="utf-8"))
    # On a processor of the other kind nothing else is different.
    values["device"]["int8"] = THERE
    (tmp_path / "out" / "result.json").write_text(json.dumps(values), encoding="utf-8")
    again = ovquant.Result.load(tmp_path / "out")
    assert again.doubt() == ""
    assert again.arithmetic == BOTH
    assert f"[int8: {BOTH}]" in openvino.Core().read_model(tmp_path / "out" / "model.xml").get_friendly_name()


def test_how_the_answer_fares_on_the_other_kind_is_told(net: Path, tmp_path: Path) -> None:
    result = quantize(net, tmp_path / "out", "seven-bits")
    assert result.verdict == "met"
    assert result.trial.elsewhere is not None
    assert result.trial.elsewhere.main.arithmetic == THERE
    assert result.trial.elsewhere.inside
    assert any(note.startswith("By simulation, on ") and "held-out samples, it loses" in note for note in result.notes)
    assert ovquant.Result.load(tmp_path / "out").trial.elsewhere == result.trial.elsewhere


def test_it_needs_processes_of_its_own(net: Path, tmp_path: Path) -> None:
    with pytest.raises(ovquant.UsageError, match="in a process of its own. Leave --no-isolate"):
        quantize(net, tmp_path / "out", "seven-bits", processors="any", isolate=False)
    with pytest.raises(ovquant.UsageError, match="--processors is 'all'; choose this or any"):
        quantize(net, tmp_path / "out", "seven-bits", processors="all")
    assert list(tmp_path.iterdir()) == []


def test_only_the_cpu_is_simulated() -> None:
    assert simulation("GPU") is None
    simulated = simulation("CPU")
    assert simulated is not None
    assert simulated.arithmetic == THERE
