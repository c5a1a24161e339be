"""Certified budgets on the command line: proofs, slices, groups, several metrics, and results checked again."""

import json
import shutil
from pathlib import Path

import numpy as np
import openvino
import pytest

from tests.cli.conftest import QUICK, Case, Run, save


@pytest.fixture(scope="session")
def halves(net: Case, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The net's 400 samples with a speaker each, and other samples of the same kind."""
    folder = tmp_path_factory.mktemp("halves")
    arrays = net.arrays
    speakers = np.array([f"speaker{place // 8}" for place in range(400)])
    other = {name: array.copy() for name, array in arrays.items()}
    other["image"] = other["image"] + np.float32(1e-3)
    return save(folder / "data.npz", **arrays, column_speaker=speakers), save(folder / "new.npz", **other)


@pytest.fixture(scope="session")
def certified(net: Case, halves: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A result with a certificate."""
    from tests.cli.conftest import ovquant

    folder = tmp_path_factory.mktemp("certified")
    asked = ("--data", halves[0], "--metric", "accuracy", "--max-drop", "20pt", "--confidence", "0.9", *QUICK)
    ran = ovquant("quantize", net.model, *asked, "-o", folder / "out", folder=folder)
    assert ran.code == 0, ran.err
    assert "certified with 0.9 confidence (use 1 of these samples, tested at level 0.05)" in " ".join(ran.out.split())
    assert "What had to hold" in ran.out
    return folder / "out"


def test_a_certificate_says_how_and_at_which_look(certified: Path) -> None:
    result = json.loads((certified / "result.json").read_text())
    holdout = result["trial"]["holdout"]
    assert (holdout["method"], holdout["level"]) == ("exact", pytest.approx(0.05))
    assert holdout["p_value"] <= holdout["level"]
    assert holdout["bound"] <= 0.2
    assert result["served"]["device"] == "CPU"
    assert result["served"]["PERFORMANCE_HINT"] == "LATENCY"
    lines = [json.loads(line) for line in (certified / "profile.jsonl").read_text().splitlines()]
    looks = [line for line in lines if line["kind"] == "look"]
    assert [line["value"] for line in looks] == [{"look": 1}]
    assert looks[0]["key"]["holdout"] == result["data"]["holdout"]["fingerprint"]
    assert "fixed-sequence testing" in (certified / "report.html").read_text()


def test_too_few_samples_are_inconclusive_and_say_how_many_would_do(run: Run, pair: Case) -> None:
    asked = ("--data", pair.data, "--metric", "accuracy", "--max-drop", "1pt", "--confidence", "0.95", *QUICK)
    ran = run("quantize", pair.model, *asked, "--json")
    assert ran.code == 4, ran.err
    assert ran.json["verdict"] == "inconclusive"
    assert ran.json["trial"]["plan"]["recipe"] is None
    assert any("samples for Accuracy" in note and "would decide" in note for note in ran.json["notes"])


def test_several_metrics_and_slices_must_all_hold(run: Run, net: Case, halves: tuple[Path, Path]) -> None:
    asked = ("quantize", net.model, "--data", halves[0], "--metric", "accuracy", "--metric", "fidelity", *QUICK)
    drops = ("--max-drop", "accuracy=20pt", "--max-drop", "fidelity=20pt")
    ran = run(*asked, *drops, "--slice-by", "target", "--worst-slice", "60pt", "-o", "out", "--json")
    assert ran.code == 0, ran.err
    parts = ran.json["trial"]["holdout"]["parts"]
    assert [part["metric"] for part in parts[:2]] == ["Accuracy", "Fidelity"]
    assert {part["metric"] for part in parts[2:]} == {"Accuracy", "Fidelity"}
    assert len(parts) > 4
    # No quantized model has exactly the float model's outputs.
    exact = ("--metric", "fidelity:by=cosine", "--max-drop", "accuracy=20pt", "--max-drop", "fidelity=0.0")
    ran = run("quantize", net.model, "--data", halves[0], "--metric", "accuracy", *exact, *QUICK, "-o", "b", "--json")
    assert ran.json["verdict"] == "float"


def test_groups_stay_on_one_side_and_are_the_units_of_the_proof(run: Run, net: Case, halves: tuple[Path, Path]) -> None:
    asked = ("--metric", "accuracy", "--max-drop", "20pt", "--confidence", "0.9", "--group-by", "speaker", *QUICK)
    ran = run("quantize", net.model, "--data", halves[0], *asked, "-o", "out", "--json")
    assert ran.json["group_by"] == "speaker"
    walked = ran.json["walked"][0]["holdout"]
    assert (walked["method"], walked["samples"]) == ("betting", 200)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("--worst-slice", "2%"), "--slice-by and --worst-slice go together"),
        (("--slice-by", "city", "--worst-slice", "2%"), "has no column 'city'; it has speaker"),
        (("--confidence", "95"), "give a number from 0.5 to below 1"),
        (("--metric", "f1"), "The metric F1 has no --max-drop"),
        (("--max-drop", "f1=2%"), "names the metric 'f1'; the metrics are Accuracy"),
        (("--metric", "accuracy"), "The metric accuracy is given twice"),
    ],
)
def test_what_does_not_fit_together_is_named(
    run: Run, net: Case, halves: tuple[Path, Path], asked: tuple[str, ...], message: str
) -> None:
    base = ["--max-drop", "accuracy=2%"] if "f1" in " ".join(asked) else ["--max-drop", "2%"]
    ran = run("quantize", net.model, "--data", halves[0], "--metric", "accuracy", *base, *asked)
    assert ran.code == 1
    assert message in " ".join(ran.err.split())


def test_check_verifies_a_result_on_new_data(
    run: Run, certified: Path, halves: tuple[Path, Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(certified, tmp_path / "out")
    ran = run("check", folder, "--data", halves[1], "--json")
    assert ran.code == 0, ran.err
    assert (ran.json["verdict"], ran.json["score"]["samples"]) == ("met", 400)
    assert ran.json["notes"] == []
    # The same check again is the same look; another confidence is another.
    assert run("check", folder, "--data", halves[1], "--json").json["score"]["level"] == pytest.approx(0.05)
    again = run("check", folder, "--data", halves[1], "--confidence", "0.8", "--json").json
    assert again["score"]["level"] == pytest.approx(0.05)
    assert any("use 2 of" in note for note in again["notes"])


def test_check_warns_of_data_that_the_run_has_seen(run: Run, certified: Path, net: Case) -> None:
    ran = run("check", certified, "--data", net.data)
    assert "200 of the 400 samples are also in the search data of the run" in " ".join(ran.out.split())
    assert "200 of the 400 samples are also in the holdout data of the run" in " ".join(ran.out.split())


def test_check_fails_a_broken_model(run: Run, certified: Path, halves: tuple[Path, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(certified, tmp_path / "out")
    model = openvino.Core().read_model(folder / "model.xml")
    for node in model.get_ops():
        if node.get_type_name() == "Constant" and node.get_element_type() == openvino.Type.i8 and len(node.shape) > 1:
            node.output(0).replace(openvino.opset13.constant(np.zeros(node.shape, np.int8)).output(0))
    openvino.save_model(model, folder / "broken.xml", compress_to_fp16=False)
    for suffix in (".xml", ".bin"):
        (folder / f"broken{suffix}").replace(folder / f"model{suffix}")
    ran = run("check", folder, "--data", halves[1], "--json")
    assert ran.code == 3, ran.err
    assert ran.json["verdict"] == "missed"
    assert any("is not the one that was measured" in note for note in ran.json["notes"])
    (folder / "model.bin").write_bytes(b"")
    assert run("check", folder, "--data", halves[1]).code == 1


def test_check_refuses_another_float_model(run: Run, certified: Path, pair: Case, halves: tuple[Path, Path]) -> None:
    ran = run("check", certified, "--data", halves[1], "--reference", pair.model)
    assert ran.code == 1
    assert "is not the float model that" in ran.err
    ran = run("check", certified.parent, "--data", halves[1])
    assert ran.code == 1
    assert "holds no result" in ran.err


def test_agreement_with_float_is_certified_without_labels(run: Run, net: Case, tmp_path: Path) -> None:
    arrays = net.arrays
    del arrays["targets"]
    data = save(tmp_path / "unlabelled.npz", **arrays)
    asked = ("--metric", "fidelity", "--max-drop", "5pt", "--confidence", "0.9", *QUICK)
    ran = run("quantize", net.model, "--data", data, *asked, "-o", "out", "--json")
    assert ran.code == 0, ran.err
    holdout = ran.json["trial"]["holdout"]
    assert (holdout["float_value"], holdout["method"]) == (1.0, "exact")
    assert holdout["p_value"] <= 0.05


def uses(folder: Path) -> int:
    lines = (folder / "profile.jsonl").read_text().splitlines()
    return sum(json.loads(line)["kind"] == "look" for line in lines)


def test_refresh_replaces_a_result_only_by_one_that_holds(
    run: Run, certified: Path, halves: tuple[Path, Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(certified, tmp_path / "out")
    before = (folder / "result.json").read_text()
    with np.load(halves[1]) as arrays:
        recorded = save(tmp_path / "recorded.npz", image=arrays["image"])
    refused = run("refresh", folder, "--data", recorded)
    assert refused.code == 1
    assert "Give --max-drop" in refused.err
    missed = run("refresh", folder, "--data", recorded, "--metric", "fidelity:by=cosine", "--max-drop", "0.0", "--json")
    assert (missed.code, missed.json["verdict"]) == (3, "missed"), missed.err
    assert (folder / "result.json").read_text() == before
    met = run("refresh", folder, "--data", recorded, "--max-drop", "20pt", "--json")
    assert (met.code, met.json["verdict"]) == (0, "met"), met.err
    after = json.loads((folder / "result.json").read_text())
    assert (after["metric"], after["data"]["holdout"]["samples"]) == ("Fidelity", 200)
    assert after["trial"]["holdout"]["p_value"] <= 0.05
    assert {path.name for path in tmp_path.iterdir()} >= {"out"}
    assert not (tmp_path / "out.refreshed").exists()
    # Looks at other data are not forgotten.
    assert uses(folder) == uses(certified) + 1
