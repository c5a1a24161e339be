"""PyTorch modules, exported programs and factories."""

import gc
import io
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
import torch

from ovquant.errors import ModelError, UsageError
from ovquant.plugins.loaders import load_model
from ovquant.plugins.loaders.torch import Torch, parameter_names, parse_example

FACTORIES = """
import torch

class Net(torch.nn.Module):
    def __init__(self, width: int = 2):
        super().__init__()
        self.linear = torch.nn.Linear(3, width)
    def forward(self, features):
        return self.linear(features)

def pair(width: int = 2):
    return Net(width), torch.zeros(1, 3)

def attribute():
    net = Net()
    net.example_input = torch.zeros(1, 3)
    return net

def bare():
    return Net()

def failing():
    raise RuntimeError("no weights here")

def wrong():
    return 3

ready = (Net(), torch.zeros(1, 3))
number = 7
"""


class Net(torch.nn.Module):
    """Dropout and batch norm behave differently in train and eval mode."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = torch.nn.Conv2d(3, 4, 3)
        self.norm = torch.nn.BatchNorm2d(4)
        self.drop = torch.nn.Dropout(0.5)
        self.head = torch.nn.Linear(4, 2)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.head(self.drop(self.norm(self.stem(image)).mean((2, 3))))


class Named(torch.nn.Module):
    """Two inputs with names."""

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return ids * 10 + mask


class Nested(torch.nn.Module):
    """A list of tensors and one more."""

    def forward(self, parts: list[torch.Tensor], bias: torch.Tensor) -> torch.Tensor:
        return parts[0] - 2 * parts[1] + 4 * bias


class Variadic(torch.nn.Module):
    """Inputs without names of their own."""

    def forward(self, *terms: torch.Tensor) -> torch.Tensor:
        return terms[0] - terms[1]


class PassThrough(torch.nn.Module):
    """An input that is also an output, under another name."""

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"product": ids * mask, "same": ids}


@pytest.fixture
def factories(tmp_path: Path) -> Path:
    path = tmp_path / "factories.py"
    path.write_text(FACTORIES)
    return path


@pytest.fixture
def program() -> Any:
    return torch.export.export(Net().eval(), (torch.zeros(1, 3, 8, 8),))


def run(model: openvino.Model, inputs: Any) -> np.ndarray:
    return openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(inputs)[0]


def names(model: openvino.Model) -> list[set[str]]:
    return [port.get_names() for port in model.inputs]


def test_module_is_converted_in_eval_mode_and_left_alone() -> None:
    net = Net().train()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    image = torch.randn(2, 3, 8, 8)
    model = load_model((net, image))
    assert net.training
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    with torch.no_grad():
        expected = net.eval()(image).numpy()
    np.testing.assert_allclose(run(model, [image.numpy()]), expected, atol=1e-5)


def test_later_training_does_not_reach_the_model() -> None:
    net = Net().eval()
    image = np.ones((1, 3, 8, 8), np.float32)
    model = load_model((net, image))
    before = run(model, [image])
    with torch.no_grad():
        net.head.weight.zero_()
    assert np.array_equal(run(model, [image]), before)
    assert not np.array_equal(before, net.head.bias.detach().numpy()[None])


def test_later_change_of_a_program_does_not_reach_the_model(program: Any) -> None:
    model = load_model(program)
    image = np.ones((1, 3, 8, 8), np.float32)
    before = run(model, [image])
    with torch.no_grad():
        program.state_dict["head.weight"].zero_()
    assert np.array_equal(run(model, [image]), before)


def test_example_as_attribute_option_and_text() -> None:
    net = Net()
    net.example_input = torch.zeros(1, 3, 8, 8)
    assert names(load_model(net)) == [{"image"}]
    assert names(load_model(Net(), Torch(example=np.zeros((1, 3, 8, 8), np.float32)))) == [{"image"}]
    assert names(load_model(Net(), "torch:example=1x3x8x8")) == [{"image"}]


def test_example_mapping_gives_the_names() -> None:
    example = {"mask": torch.ones(1, 4), "ids": torch.zeros(1, 4)}
    model = load_model((Named(), example))
    assert {name for found in names(model) for name in found} == {"ids", "mask"}
    got = run(model, {"ids": np.full((1, 4), 2, np.float32), "mask": np.ones((1, 4), np.float32)})
    assert got.tolist() == [[21, 21, 21, 21]]


def test_nested_inputs_get_names_in_order() -> None:
    one = torch.ones(1, 1)
    model = load_model((Nested(), ([one, one], one)))
    assert names(model) == [{"parts_0"}, {"parts_1"}, {"bias"}]
    got = run(
        model,
        {key: np.full((1, 1), value, np.float32) for key, value in [("parts_0", 1), ("parts_1", 10), ("bias", 100)]},
    )
    assert got.item() == 381


def test_variadic_inputs_get_names_in_order() -> None:
    model = load_model((Variadic(), (torch.ones(1, 2), torch.ones(1, 2))))
    assert names(model) == [{"terms_0"}, {"terms_1"}]
    assert run(model, {"terms_0": np.ones((1, 2), np.float32), "terms_1": np.zeros((1, 2), np.float32)}).tolist() == [
        [1, 1]
    ]


def test_input_that_is_an_output_is_found_by_its_own_name() -> None:
    model = load_model((PassThrough(), (torch.ones(1, 4), torch.ones(1, 4))))
    assert names(model)[0] == {"ids", "same"}
    assert model.input("ids").get_names() == model.output("same").get_names()


def test_shapes_stay_dynamic() -> None:
    assert load_model((Net(), torch.zeros(1, 3, 8, 8))).inputs[0].get_partial_shape() == openvino.PartialShape(
        [-1, 3, -1, -1]
    )


def test_program_file_is_read(tmp_path: Path, program: Any) -> None:
    torch.export.save(program, tmp_path / "net.pt2")
    model = load_model(tmp_path / "net.pt2")
    image = np.ones((1, 3, 8, 8), np.float32)
    assert (names(model), model.inputs[0].get_shape()) == ([{"image"}], [1, 3, 8, 8])
    np.testing.assert_allclose(
        run(model, [image]), program.module()(torch.from_numpy(image)).detach().numpy(), atol=1e-5
    )


class Folding(torch.nn.Module):
    """Its output's shape depends on its input's batch."""

    def forward(self, rows: torch.Tensor, more: torch.Tensor) -> torch.Tensor:
        return rows.reshape(rows.shape[0] * 2, -1) + more


def test_program_keeps_fixed_and_dynamic_dimensions() -> None:
    batch = torch.export.Dim("batch")
    example = (torch.zeros(2, 6), torch.zeros(1, 3))
    fixed = load_model(torch.export.export(Folding(), example))
    assert [port.get_shape() for port in fixed.inputs] == [[2, 6], [1, 3]]
    free = load_model(torch.export.export(Folding(), example, dynamic_shapes={"rows": {0: batch}, "more": None}))
    assert [str(port.get_partial_shape()) for port in free.inputs] == ["[?,6]", "[1,3]"]
    assert run(free, [np.zeros((4, 6), np.float32), np.zeros((1, 3), np.float32)]).shape == (8, 3)


@pytest.mark.parametrize("name", ["pair", "attribute", "ready"])
def test_factories(factories: Path, name: str) -> None:
    assert names(load_model(f"{factories}:{name}")) == [{"features"}]


def test_factory_options_are_coerced(factories: Path) -> None:
    assert load_model(f"{factories}:pair:width=5").outputs[0].get_partial_shape()[1] == 5


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bare", "example input"),
        ("failing", "no weights here"),
        ("wrong", "gave a int"),
        ("number", "is a int"),
        ("absent", "has no 'absent'"),
        ("pair:depth=3", "depth"),
    ],
)
def test_factories_that_cannot_be_used(factories: Path, name: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load_model(f"{factories}:{name}")


def test_module_without_example_is_refused() -> None:
    with pytest.raises(ModelError, match="example input.*torch:example="):
        load_model(Net())


def test_example_that_does_not_fit_is_explained() -> None:
    with pytest.raises(
        ModelError, match="OpenVINO cannot convert the Net: .*Check that the example input fits"
    ) as caught:
        load_model((Net(), torch.zeros(1, 5, 8, 8)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["net.pt", "net.pth"])
def test_pickles_are_refused(tmp_path: Path, name: str) -> None:
    torch.save(Net(), tmp_path / name)
    with pytest.raises(ModelError, match="torch.export.save"):
        load_model(tmp_path / name)


def test_pickle_inside_a_program_is_not_run(tmp_path: Path, program: Any) -> None:
    marker = tmp_path / "was_run"

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (marker,))

    torch.export.save(program, tmp_path / "net.pt2")
    evil = io.BytesIO()
    torch.save((Evil(),), evil, pickle_module=pickle)
    replaced = 0
    with zipfile.ZipFile(tmp_path / "net.pt2") as source, zipfile.ZipFile(tmp_path / "evil.pt2", "w") as target:
        for info in source.infolist():
            swap = "sample_inputs" in info.filename
            replaced += swap
            target.writestr(info.filename, evil.getvalue() if swap else source.read(info))
    assert replaced == 1
    with pytest.raises(ModelError, match="cannot be read"):
        load_model(tmp_path / "evil.pt2")
    assert not marker.exists()


def test_compiled_code_inside_a_program_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "net.pt2", "w") as target:
        target.writestr("net/data/aotinductor/model/model.so", b"")
    with pytest.raises(ModelError, match="AOTInductor"):
        load_model(tmp_path / "net.pt2")


@pytest.mark.parametrize("content", [b"", b"hello"])
def test_corrupt_program_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "net.pt2").write_bytes(content)
    with pytest.raises(ModelError, match="net.pt2' is not a .pt2 archive"):
        load_model(tmp_path / "net.pt2")


def test_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="net.pt2' does not exist"):
        load_model(tmp_path / "net.pt2")


def test_missing_torch_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "net.pt2").touch()
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from ovquant.plugins.loaders import load_model\n"
        "from ovquant.errors import ModelError\n"
        "try: load_model(sys.argv[1])\n"
        "except ModelError as error: print(error)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "net.pt2"], capture_output=True, text=True, check=True
    )
    assert "pip install ovquant[torch]" in found.stdout


def test_parse_example() -> None:
    image = parse_example("1x3x8x8")
    assert (image.shape, image.dtype) == ((1, 3, 8, 8), torch.float32)
    ids, mask = parse_example("1x16xi64; 1x16xbool")
    assert (ids.shape, ids.dtype, mask.dtype) == ((1, 16), torch.int64, torch.bool)


@pytest.mark.parametrize("text", ["", "x", "1x", "axb", "1x2xf99", "1,3", "1x3;", "f32"])
def test_example_text_outside_the_grammar_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="1x3x224x224"):
        parse_example(text)


class Unsupported(torch.nn.Module):
    """An operation that OpenVINO has no rule for."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.linalg.svd(x).S


def test_operation_without_a_rule_is_named() -> None:
    with pytest.raises(ModelError, match="cannot convert the Unsupported: No conversion rule .*linalg_svd"):
        load_model((Unsupported(), torch.zeros(3, 3)))


def test_parameter_names_of_what_does_not_bind_are_none() -> None:
    assert parameter_names(Named().forward, (1, 2, 3)) == []


def test_weights_of_bfloat16_outlive_their_module() -> None:
    def made() -> torch.nn.Module:
        torch.manual_seed(0)
        return torch.nn.Linear(32, 64).eval().to(torch.bfloat16)

    model = load_model((made(), torch.zeros(1, 32, dtype=torch.bfloat16)))
    gc.collect()
    _ = [torch.full((64, 32), 7e3) for _ in range(200)]
    (weight,) = [
        node.data.view(np.int16)
        for node in model.get_ops()
        if node.get_type_name() == "Constant" and list(node.get_output_shape(0)) == [64, 32]
    ]
    assert np.array_equal(weight, made().weight.detach().view(torch.int16).numpy())
