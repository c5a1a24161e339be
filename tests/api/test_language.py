"""A decoder's folder, as optimum-intel writes it, from texts to a folder of the same kind."""

import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import openvino
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

import ovquant
from ovquant.api import check as checks
from ovquant.domain.layer import FLOAT, INT4_WEIGHTS, INT8_WEIGHTS
from ovquant.domain.record import strangers
from ovquant.domain.sample import Generate, Sample
from ovquant.errors import MetricError, UsageError
from ovquant.plugins.datasets import open_dataset
from ovquant.runtime import Deployment, compile_model
from ovquant.runtime.decoder import Feeder
from ovquant.runtime.writer import Writer
from tests.decoders import SMALL, decoder
from tests.graph_schema import llm_options, parsed_graph

EIGHT = "weights"
FOUR = "weights:bits=4,group_size=32"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("small-decoder")
    openvino.save_model(decoder(), made / "openvino_model.xml", compress_to_fp16=False)
    (made / "config.json").write_text(json.dumps(SMALL.to_json(eos_token_id=0)))
    words = {f"w{number}": number for number in range(SMALL.vocab_size)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="w0"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(made / "tokenizer.json"))
    (made / "openvino_tokenizer.xml").write_text("<net/>")
    (made / "openvino_tokenizer.bin").write_bytes(b"0")
    return made


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path, random = tmp_path_factory.mktemp("texts") / "texts.jsonl", np.random.default_rng(4)
    rows = [" ".join(f"w{word}" for word in random.integers(0, SMALL.vocab_size, 8 + row % 9)) for row in range(120)]
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in rows))
    return path


@pytest.fixture(scope="module")
def result(folder: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> ovquant.Result:
    how = {"recipes": [EIGHT, FOUR], "prompt_tokens": 12, "new_tokens": 4}
    output = tmp_path_factory.mktemp("out") / "decoder"
    return ovquant.quantize(
        folder, data=data, metric="agreement", max_drop="60%", optimize="next-token", output=output, **how
    )


def test_a_decoder_is_timed_while_it_generates(result: ovquant.Result) -> None:
    assert result.provenance.objective == "next-token"
    assert result.provenance.generation is not None
    assert result.provenance.generation.new_tokens == 4
    trials = {trial.plan.name: trial for trial in result.trials}
    assert all(trials[name].timing for name in (EIGHT, FOUR))
    assert set((trials[FOUR].layers or {}).values()) == {INT4_WEIGHTS, INT8_WEIGHTS}
    assert trials[FOUR].size_bytes < trials[EIGHT].size_bytes


def test_its_folder_is_one_like_that_of_the_model(result: ovquant.Result, folder: Path, tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.json", "openvino_tokenizer.bin"):
        assert (result.folder / name).read_bytes() == (folder / name).read_bytes()
    for suffix in (".xml", ".bin"):
        assert (result.folder / f"openvino_model{suffix}").samefile(result.folder / f"model{suffix}")
    card = (result.folder / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\nlibrary_name: openvino\n")
    assert result.plan.full_title in card
    assert strangers(result.folder) == []
    ovquant.export(result.folder, to="zip", output=tmp_path / "out.zip")
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert {"model.bin", "tokenizer.json"} <= set(archive.namelist())
        assert "openvino_model.bin" not in archive.namelist()


def test_a_model_server_is_given_the_whole_folder_and_a_graph(result: ovquant.Result, tmp_path: Path) -> None:
    served = shutil.copytree(result.folder, tmp_path / "served")
    with pytest.raises(UsageError, match=r"needs openvino_detokenizer\.xml beside the model"):
        ovquant.export(served, to="model-server:layout=graph", output=tmp_path / "models")
    ovquant.export(served, to="model-server", output=tmp_path / "versions")
    assert (tmp_path / "versions" / "served" / "1" / "model.xml").is_file()

    for suffix in (".xml", ".bin"):
        (served / f"openvino_detokenizer{suffix}").write_bytes(b"0")
    (served / "compile.json").write_text(json.dumps({"device": "CPU", "config": {"CACHE_DIR": 'a "b" \\c'}}))
    ovquant.export(served, to="model-server:name=tales", output=tmp_path / "models")
    config = json.loads((tmp_path / "models" / "config.json").read_text())
    assert config == {"model_config_list": [], "mediapipe_config_list": [{"name": "tales", "base_path": "tales"}]}
    base = tmp_path / "models" / "tales"
    assert {"openvino_model.xml", "openvino_model.bin", "config.json", "openvino_detokenizer.bin"} <= {
        path.name for path in base.iterdir()
    }
    (node,) = parsed_graph((base / "graph.pbtxt").read_text()).node
    assert node.calculator == "HttpLLMCalculator"
    assert list(node.input_side_packet) == ["LLM_NODE_RESOURCES:llm"]
    assert node.input_stream_info[0].back_edge
    options = llm_options(node)
    assert (options.models_path, options.device) == ("./", "CPU")
    assert json.loads(options.plugin_config) == {"CACHE_DIR": 'a "b" \\c'}

    (served / "graph.pbtxt").write_text("# my own\n")
    ovquant.export(served, to="model-server", output=tmp_path / "mine")
    assert (tmp_path / "mine" / "served" / "graph.pbtxt").read_text() == "# my own\n"


def test_what_it_writes_behind_a_prompt_is_scored(folder: Path, tmp_path: Path) -> None:
    """Completions are what float writes, so that it is right and a plan is as right as it writes the same."""
    random, asked = np.random.default_rng(5), Generate(3, stop=(0,))
    in_f32 = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"}
    writer = Writer(compile_model(folder / "openvino_model.xml", Deployment(properties=in_f32)))
    rows = list[dict[str, str]]()
    for place in range(60):
        ids = random.integers(1, SMALL.vocab_size, 4 + place % 5)
        written = writer.write(Sample({"input_ids": ids}), asked)
        rows.append(
            {
                name: " ".join(f"w{word}" for word in part)
                for name, part in zip(("prompt", "completion"), (ids, written), strict=True)
            }
        )
    path = tmp_path / "completions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    how = {"metric": "exact", "max_drop": "80pt", "optimize": "size", "recipes": [EIGHT], "strategy": "first"}
    result = ovquant.quantize(folder, data=f"{path}:max_new_tokens=3", output=tmp_path / "out", **how)
    assert result.verdict == "met"
    holdout = result.trial.holdout.main
    assert (holdout.float_value, 0 < holdout.value < 1) == (1, True)


def test_a_copy_is_whole_though_the_model_that_it_was_made_of_is_gone(result: ovquant.Result, tmp_path: Path) -> None:
    alone = replace(result, provenance=replace(result.provenance, model_source=str(tmp_path / "gone")))
    copy = alone.save(tmp_path / "copy")
    names = {path.name for path in result.folder.iterdir()}
    assert {path.name for path in copy.iterdir()} == names


def test_it_is_exported_as_the_folder_that_it_came_in(result: ovquant.Result, folder: Path, tmp_path: Path) -> None:
    ovquant.export(result.folder, to="optimum", output=tmp_path / "hub")
    names = {path.name for path in (tmp_path / "hub").iterdir()}
    assert names == {*(path.name for path in folder.iterdir()), "ov_config.json", ".ovquant.json"}
    assert (tmp_path / "hub" / "openvino_tokenizer.bin").read_bytes() == b"0"
    served = compile_model(tmp_path / "hub" / "openvino_model.xml", Deployment())
    feeder = Feeder(served)
    feeder.begin()
    feeder.feed(np.array([[1, 2, 3]]))
    feeder.feed(np.array([[4]]))
    assert np.isfinite(feeder.logits()).all()


def test_layers_of_weights_in_four_bits_have_levels_between(folder: Path, data: Path, tmp_path: Path) -> None:
    made = ovquant.quantize(
        folder,
        data=data,
        metric="fidelity:by=cosine,output=logits",
        max_drop=0.004,
        optimize="size",
        recipes=[EIGHT, FOUR],
        max_trials=3,
        output=tmp_path / "small",
    )
    mixed = [trial for trial in made.trials if trial.plan.layers]
    assert mixed
    for trial in mixed:
        assert set(trial.plan.layers.values()) <= {INT8_WEIGHTS, FLOAT}
        assert all((trial.layers or {})[name] == level for name, level in trial.plan.layers.items())


def test_texts_are_their_own_targets_for_perplexity(folder: Path, data: Path) -> None:
    found = ovquant.evaluate(folder, data=data, metric="perplexity").evaluation.score
    texts = open_dataset(data, tokenizer=folder / "tokenizer.json")
    told = [Sample(sample.inputs, sample.inputs["input_ids"]) for sample in texts]  # type: ignore[attr-defined]
    assert found == pytest.approx(ovquant.evaluate(folder, data=told, metric="perplexity").evaluation.score)
    assert found > 1
    with pytest.raises(MetricError, match="The metric Accuracy needs targets and the data have none"):
        ovquant.evaluate(folder, data=data, metric="accuracy")


def test_questions_are_answered_by_the_likeliest_choice(folder: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    path = tmp_path / "questions.jsonl"
    rows = []
    for row in range(40):
        words = [f"w{word}" for word in random.integers(0, SMALL.vocab_size, 7)]
        choices = [f" {words[5]}", f" {words[6]} {words[4]}"]
        rows.append({"prompt": f"{row} {' '.join(words[:5])}", "choices": choices, "answer": row % 2})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = ovquant.evaluate(folder, data=path, metric="choice")
    assert 0 <= found.evaluation.score <= 1
    # One token is mostly likelier than two, and of their mean likelihoods neither is.
    assert abs(ovquant.evaluate(folder, data=path, metric="choice:by=mean").evaluation.score - 0.5) < 0.4
    made = ovquant.quantize(
        folder,
        data=path,
        metric="choice",
        max_drop="40pt",
        optimize="size",
        recipes=[EIGHT],
        group_by="prompt",
        output=tmp_path / "out",
    )
    assert made.trial.holdout is not None
    assert made.trial.holdout.main.samples == 40
    with pytest.raises(MetricError, match="Keep them together with --group-by prompt"):
        ovquant.quantize(
            folder, data=path, metric="choice", max_drop="40pt", recipes=[EIGHT], output=tmp_path / "apart"
        )


def test_a_check_times_it_as_the_run_did(result: ovquant.Result, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "TIMED_SECONDS", 0.1)
    checked = ovquant.check(result.folder, data=data)
    assert checked.score.main.metric == result.metric
    assert checked.timing.rounds > 0


def test_what_does_not_generate_is_told_so(data: Path, tmp_path: Path) -> None:
    from tests.live.test_core import ROWS, net

    with pytest.raises(UsageError, match="first-token and next-token are for models that generate"):
        ovquant.quantize(
            net(), data=list(ROWS), metric="fidelity", max_drop=0.1, optimize="next-token", output=tmp_path / "out"
        )
    with pytest.raises(UsageError, match="--new-tokens is 0"):
        ovquant.quantize(net(), data=list(ROWS), metric="fidelity", max_drop=0.1, new_tokens=0, output=tmp_path / "out")
