"""The module that a model was exported from, however it is given."""

from pathlib import Path

import pytest
import torch
import transformers

from ovquant.errors import ModelError
from ovquant.plugins.loaders.module import load_module

FACTORY = """
import torch

def make():
    return torch.nn.Linear(3, 2), torch.zeros(1, 3)

def half():
    return torch.nn.Linear(3, 2).half()
"""


def test_a_module_is_copied_and_in_f32(tmp_path: Path) -> None:
    given = torch.nn.Linear(3, 2).half()
    found = load_module(given)
    assert found is not given
    assert found.weight.dtype == torch.float32
    assert given.weight.dtype == torch.float16
    (tmp_path / "net.py").write_text(FACTORY, encoding="utf-8")
    assert load_module(f"{tmp_path}/net.py:make").in_features == 3
    assert load_module(f"{tmp_path}/net.py:half").weight.dtype == torch.float32


def test_a_folder_of_transformers_is_read_by_the_class_that_it_names(tmp_path: Path) -> None:
    sizes = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "vocab_size": 40,
    }
    net = transformers.LlamaForCausalLM(transformers.LlamaConfig(**sizes))
    net.save_pretrained(tmp_path / "llama")
    found = load_module(str(tmp_path / "llama"))
    assert type(found) is transformers.LlamaForCausalLM
    torch.testing.assert_close(found.state_dict(), net.state_dict())


@pytest.mark.parametrize("name", ["net.onnx", "net.xml", "net.tflite"])
def test_files_of_other_kinds_are_refused_with_what_to_give(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(ModelError, match=f"{name}' cannot be trained. Give as --module the PyTorch module"):
        load_module(str(tmp_path / name))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_scripted_module_is_refused() -> None:
    with pytest.raises(ModelError, match="cannot be trained"):
        load_module(torch.jit.script(torch.nn.Linear(3, 2)))


def test_a_folder_that_transformers_cannot_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(
        '{"architectures": ["LlamaForCausalLM"], "model_type": "llama"}', encoding="utf-8"
    )
    with pytest.raises(ModelError, match="Transformers cannot read"):
        load_module(str(tmp_path))
