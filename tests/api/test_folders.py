"""A folder with an encoder and a decoder: both are quantized inside one budget, and the result is such a folder."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import openvino
import pytest

import ovquant
from ovquant.domain.model_folder import DECODER, ENCODER, NEXT
from ovquant.domain.record import strangers
from ovquant.domain.sample import Sample
from ovquant.errors import ModelError, UsageError
from ovquant.graph.precision import is_quantized
from ovquant.plugins.exporters.optimum import Optimum
from ovquant.runtime import Deployment, compile_model
from ovquant.runtime.writer import Writer
from tests.decoders import pair
from tests.graph.test_pairs import as_one, as_pair


class Translations(Sequence[Sample]):
    """Texts of random tokens, and as random ones that are written of them."""

    def __len__(self) -> int:
        return 80

    def __getitem__(self, index):  # type: ignore[no-untyped-def, override]
        random = np.random.default_rng(index)
        read, written = (random.integers(0, 120, 4 + index % count) for count in (5, 3))
        inputs = {"input_ids": read, "attention_mask": np.ones_like(read), "decoder_input_ids": written}
        return Sample(ovquant.Tokens(inputs, generate=ovquant.Generate(4, prompt=1, decode=spelled)), "7 7")


def spelled(ids: Sequence[int]) -> str:
    return " ".join(map(str, ids))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("translator")
    for name, model in zip((ENCODER, DECODER), pair(), strict=True):
        openvino.save_model(model, made / f"{name}.xml", compress_to_fp16=False)
    (made / "config.json").write_text('{"is_encoder_decoder": true}')
    (made / "generation_config.json").write_text("{}")
    return made


@pytest.fixture(scope="module")
def result(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> ovquant.Result:
    output = tmp_path_factory.mktemp("out") / "translator"
    how = {"metric": "agreement", "max_drop": "60%", "optimize": "size", "recipes": ["weights"], "strategy": "first"}
    return ovquant.quantize(folder, data=Translations(), output=output, **how)


def test_the_result_has_both_parts_of_what_was_measured(result: ovquant.Result, folder: Path) -> None:
    assert result.verdict == "met"
    core = openvino.Core()
    parts = [core.read_model(result.folder / f"{name}.xml") for name in (ENCODER, DECODER)]
    assert all(is_quantized(part) for part in parts)
    expected = as_one(core.read_model(result.folder / "model.xml"))
    assert np.abs(as_pair(*parts) - expected).max() < 1e-4 * np.abs(expected).max()
    assert (result.folder / "generation_config.json").read_bytes() == (folder / "generation_config.json").read_bytes()
    assert strangers(result.folder) == []


def test_a_copy_is_whole_though_the_folder_that_it_was_made_of_is_gone(
    result: ovquant.Result, folder: Path, tmp_path: Path
) -> None:
    gone = shutil.copytree(folder, tmp_path / "gone")
    again = ovquant.apply(
        result.folder / "plan.json", gone, data=Translations(), metric="agreement", output=tmp_path / "applied"
    )
    shutil.rmtree(gone)
    copy = again.save(tmp_path / "copy")
    assert {path.name for path in copy.iterdir()} == {path.name for path in again.folder.iterdir()}
    assert (copy / f"{DECODER}.bin").read_bytes() == (result.folder / f"{DECODER}.bin").read_bytes()


def test_it_is_exported_as_a_pair_and_read_as_the_model_that_was_measured(
    result: ovquant.Result, folder: Path, tmp_path: Path
) -> None:
    ovquant.export(result.folder, to="optimum", output=tmp_path / "hub")
    names = {path.name for path in (tmp_path / "hub").iterdir()}
    assert names == {*(path.name for path in folder.iterdir()), "ov_config.json", ".ovquant.json"}
    assert (tmp_path / "hub" / f"{ENCODER}.bin").read_bytes() == (result.folder / f"{ENCODER}.bin").read_bytes()
    scored = ovquant.evaluate(result.folder, data=Translations(), metric="agreement", reference=folder)
    assert 0.3 < scored.evaluation.score < 1


def test_another_models_result_is_not_exported_as_a_pair(result: ovquant.Result, folder: Path, tmp_path: Path) -> None:
    other = shutil.copytree(result.folder, tmp_path / "other")
    (other / f"{ENCODER}.xml").unlink()
    with pytest.raises(UsageError, match="is of another model"):
        Optimum(source=str(folder)).export(other, tmp_path / "hub")


def test_what_both_write_is_scored(result: ovquant.Result, folder: Path) -> None:
    scored = ovquant.evaluate(result.folder, data=Translations(), metric="wer", reference=folder)
    assert scored.reference is not None
    assert scored.reference.score > 0.5
    assert scored.drop == scored.evaluation.score - scored.reference.score
    first = Translations()[0]
    asked = Writer(compile_model(ovquant.Result.load(result.folder).folder / "model.xml", Deployment()))
    assert len(asked.write(first, first.inputs.generate)) == 4


def test_it_is_timed_while_the_decoder_writes(folder: Path, tmp_path: Path) -> None:
    how = {"metric": "agreement", "max_drop": "60%", "recipes": ["weights"], "prompt_tokens": 2, "new_tokens": 3}
    how |= {"strategy": "first", "optimize": "next-token"}
    found = ovquant.quantize(folder, data=Translations(), output=tmp_path / "out", **how)
    assert found.provenance.objective == "next-token"
    (trial,) = [trial for trial in found.trials if trial.plan.name == "weights"]
    assert trial.timing is not None
    how = {"optimize": "first-token", "prompt_tokens": 2, "new_tokens": 3, "seconds": 1}
    timed = ovquant.benchmark([folder, tmp_path / "out"], data=Translations(), **how)
    assert all(one.timing.p50_ms > 0 for one in timed)


def test_what_cannot_be_done_with_a_pair_is_said(folder: Path, tmp_path: Path) -> None:
    older = shutil.copytree(folder, tmp_path / "older")
    shutil.copy2(older / f"{DECODER}.xml", older / f"{NEXT}.xml")
    with pytest.raises(ModelError, match="Export it again"):
        ovquant.quantize(older, data=Translations(), metric="agreement", max_drop="60%")
