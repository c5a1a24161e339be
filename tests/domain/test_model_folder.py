"""A result of a model that came in optimum-intel's folder is such a folder."""

import os
from pathlib import Path

import pytest

from ovquant.domain.checks import CHECKS
from ovquant.domain.model_folder import (
    CARD,
    CARD_BEFORE,
    DECODER,
    ENCODER,
    MODEL,
    beside,
    complete,
    linked,
    model_in,
    pair_in,
)
from tests.domain.conftest import result_folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    for stem in ("openvino_encoder_model", "openvino_model", "openvino_tokenizer"):
        for suffix in (".xml", ".bin"):
            (folder / f"{stem}{suffix}").write_text(stem)
    for name in (
        "config.json",
        "merges.txt",
        "pytorch_model.bin",
        "model.safetensors",
        "model.bin.index.json",
        ".hidden",
    ):
        (folder / name).write_text(name)
    (folder / "onnx").mkdir()
    return folder


def made(folder: Path) -> Path:
    result_folder(folder)
    for name in ("model.xml", "model.bin"):
        (folder / name).write_text(f"{folder.name} {name}")
    return folder


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_model_is_found_in_its_folder_and_by_its_file(source: Path, tmp_path: Path) -> None:
    assert model_in(source) == source / "openvino_model.xml"
    assert model_in(str(source / "openvino_encoder_model.xml")) == source / "openvino_encoder_model.xml"
    assert model_in(source / "openvino_model.bin") is None
    assert model_in(tmp_path / "nowhere") is None
    (source / "config.json").unlink()
    assert model_in(source) is None


def test_encoder_and_decoder_are_a_pair_where_no_model_is_beside_them(source: Path, tmp_path: Path) -> None:
    (source / f"{DECODER}.xml").write_text("decoder")
    assert pair_in(source) is None
    (source / f"{MODEL}.xml").unlink()
    assert pair_in(str(source)) == (source / f"{ENCODER}.xml", source / f"{DECODER}.xml")
    assert pair_in(source / f"{ENCODER}.xml") is None
    result = made(tmp_path / "out")
    for stem in (ENCODER, DECODER):
        for suffix in (".xml", ".bin"):
            (result / f"{stem}{suffix}").write_text("quantized")
    added = complete(source, result, "card", ENCODER, DECODER)
    assert {f"{DECODER}.bin", "openvino_tokenizer.bin", "config.json", CARD} <= set(added)
    assert (result / f"{ENCODER}.xml").read_text() == "quantized"
    (source / f"{ENCODER}.xml").unlink()
    assert pair_in(source) is None


def test_weights_in_other_forms_do_not_belong_to_it(source: Path) -> None:
    others = {
        "openvino_encoder_model.xml",
        "openvino_encoder_model.bin",
        "openvino_tokenizer.xml",
        "openvino_tokenizer.bin",
    }
    assert {file.name for file in beside(source, MODEL)} == {*others, "config.json", "merges.txt"}


def test_a_result_gets_what_belongs_to_the_model_and_a_card(source: Path, tmp_path: Path) -> None:
    (source / CARD).write_text("# By its makers")
    result = made(tmp_path / "out")
    before = names(result)
    encoder = source / "openvino_encoder_model.xml"
    added = complete(source, result, "## what was done", ENCODER)
    assert names(result) == before | set(added)
    assert (result / encoder.name).read_bytes() == (result / "model.xml").read_bytes()
    assert (result / "openvino_model.xml").read_text() == "openvino_model"
    assert (result / CARD).read_text().endswith("---\n\n## what was done")
    assert (result / CARD_BEFORE).read_text() == "# By its makers"


def test_a_result_of_a_result_carries_none_of_its_reports_and_plans(source: Path, tmp_path: Path) -> None:
    first, second = made(tmp_path / "first"), made(tmp_path / "second")
    complete(source, first, "first", MODEL)
    (second / "plan.json").write_text("second")
    (first / CHECKS).write_text("checks of the first")
    added = complete(first, second, "second", MODEL)
    assert (second / "plan.json").read_text() == "second"
    assert (second / CARD).read_text().endswith("second")
    assert {"config.json", "merges.txt"} <= set(added)
    assert not {CARD_BEFORE, CHECKS} & set(added)


def test_where_a_disk_has_no_links_the_file_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, name = tmp_path / "model.bin", tmp_path / "openvino_model.bin"
    file.write_bytes(b"new")
    name.write_bytes(b"old")
    linked(file, name)
    assert name.samefile(file)

    def refused(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refused)
    linked(file, name)
    assert not name.samefile(file)
    assert name.read_bytes() == b"new"
