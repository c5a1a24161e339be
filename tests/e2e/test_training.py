"""The numbers of a small decoder's int4 weights are trained: inside a budget that no untrained plan in four bits holds."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import storyteller
import torch

import ovquant
from ovquant.domain.plan import Plan
from tests.e2e import stories

STEPS, TEXTS, SECONDS, SHORT = 120, 120, 25, 10
FOUR = "weights:bits=4,group_size=-1"
EXAMPLES = Path(storyteller.__file__).resolve().parent


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stories.decoder(tmp_path_factory.mktemp("storyteller"), STEPS)


@pytest.fixture(scope="module")
def tales(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stories.tales(tmp_path_factory.mktemp("tales"), TEXTS)


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return other texts than those that plans are judged by."""
    path = tmp_path_factory.mktemp("books") / "books.jsonl"
    texts = [whole[begin : begin + 240] for whole in storyteller.documents("book-excerpts") for begin in (0, 240, 480)]
    path.write_text("".join(f"{json.dumps({'text': text})}\n" for text in texts[:400]), encoding="utf-8")
    return path


def test_int4_weights_come_inside_a_budget_that_they_do_not_hold_untrained(
    folder: Path, tales: Path, books: Path, tmp_path: Path
) -> None:
    given = {"data": tales, "metric": "agreement", "optimize": "size", "group_by": "tale"}
    # Layers need not be looked at.
    untrained = ovquant.quantize(folder, max_drop="90%", recipes=[FOUR], max_trials=1, **given)
    # It loses more than this in both halves.
    allowed = 0.85 * min(untrained.trial.search.main.drop, untrained.trial.holdout.main.drop)
    result = ovquant.quantize(
        folder,
        max_drop=allowed,
        recipes=["weights", FOUR, f"{FOUR}+train:seconds={SECONDS}"],
        max_trials=3,
        module=f"{EXAMPLES}/storyteller.py:module:folder={folder}",
        train_data=f"{books}:tokenizer={folder}/tokenizer.json",
        output=tmp_path / "out",
        **given,
    )
    trials = {trial.plan.name: trial for trial in result.trials}
    assert not trials[FOUR].search.inside
    assert result.verdict == "met", result.notes
    assert result.plan.recipe.trainer == "end-to-end"
    assert result.plan.taught.after < result.plan.taught.before
    assert result.trial.size_bytes < trials["weights"].size_bytes
    assert any("Its numbers were trained" in note for note in result.notes)


def test_a_training_that_was_killed_goes_on(folder: Path, tales: Path, books: Path, tmp_path: Path) -> None:
    # Few, so that the looks at those that are kept leave time to train on a busy machine too.
    few = tmp_path / "few.jsonl"
    few.write_text("".join(books.read_text(encoding="utf-8").splitlines(keepends=True)[:80]), encoding="utf-8")
    command = [sys.executable, "-m", "ovquant", "quantize", folder, "--data", tales, "--metric", "agreement"]
    command += ["--max-drop", "90%", "--optimize", "size", "--recipe", f"{FOUR}+train:seconds={SHORT}", "-v"]
    command += ["--max-trials", "1"]
    command += ["--module", f"{EXAMPLES}/storyteller.py:module:folder={folder}", "-o", tmp_path / "out"]
    command += ["--train-data", f"{few}:tokenizer={folder}/tokenizer.json"]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    work = tmp_path / "out.partial" / "trials"
    end = time.monotonic() + 180
    while not list(work.glob("learned-*.course")):
        assert first.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < end
        time.sleep(0.05)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    known = torch.load(next(work.glob("learned-*.course")), weights_only=True)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 3), done.stderr
    # The rate was chosen before, and is not chosen again.
    assert "choosing a learning rate" not in done.stderr
    taught = Plan.load(tmp_path / "out" / "plan.json").taught
    assert taught is not None
    assert taught.rate == known["rate"]
    assert list(taught.curve[: len(known["curve"])]) == known["curve"]
    # On a machine that is busy, a look can outlast the time that was left.
    assert len(taught.curve) > len(known["curve"]) or known["spent"] >= SHORT
    assert (tmp_path / "out" / "plan.safetensors").is_file()
