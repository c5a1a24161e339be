"""Convert PyTorch modules and exported programs."""

import copy
import inspect
import os
import re
import sys
import typing
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ovquant.errors import ExampleError, ModelError, OvquantError, UsageError
from ovquant.graph.causes import first_cause
from ovquant.plugins.loaders.weights import module_digest, program_digest, with_digest
from ovquant.plugins.spec import coerce, import_object, parse_spec

if TYPE_CHECKING:
    import openvino


_PICKLES = (".pt", ".pth")
_REFERENCE = re.compile(r"(?:.*\.py|[A-Za-z_][\w.]*):[A-Za-z_]\w*")
_EXAMPLE = re.compile(r"(?P<sizes>\d+(?:x\d+)*)(?:x(?P<type>f32|f16|i64|i32|u8|bool))?")
_TYPES = {"f32": "float32", "f16": "float16", "i64": "int64", "i32": "int32", "u8": "uint8", "bool": "bool"}


@dataclass(frozen=True)
class Torch:
    """Convert a torch.nn.Module, a torch.export program (.pt2), or what FILE.py:factory returns.

    `example` is the example input that a module is traced with: tensors or arrays, a tuple of them, or a
    mapping by the names of forward()'s parameters, which become the names of the model's inputs. As text it
    is shapes and types, several separated by `;`: `1x3x224x224` (f32) or `1x16xi64;1x16xi64`. Without it,
    the module's `example_input` attribute is used, or the second item of a `(module, example)` pair.
    """

    example: Any = None

    def accepts(self, source: object) -> bool:
        """Tell whether the source is a torch object, a .pt2 file, a FILE.py:factory, or a pickle to refuse."""
        if isinstance(source, tuple):
            return len(source) == 2 and is_module(source[0])
        if isinstance(source, str) and is_reference(source):
            return True
        if isinstance(source, str | Path):
            return Path(source).suffix.lower() in (".pt2", *_PICKLES)
        return is_module(source) or is_program(source)

    def load(self, source: Any) -> "openvino.Model":
        """Return the converted model, its inputs named after forward()'s parameters.

        A module is copied, so what the caller has keeps its mode, its device and its weights. Raises ModelError when
        torch is missing, the source is a pickle, there is no example input, or conversion fails.
        """
        require_torch()
        name = described(source)
        if isinstance(source, str) and is_reference(source):
            source = call_factory(source)
        elif isinstance(source, str | Path):
            return convert_program(read_program(Path(source)), name)
        if is_program(source):
            return convert_program(detached(source, name), name)
        module, example = source if isinstance(source, tuple) else (source, None)
        if not is_module(module):
            raise ModelError(
                f"{name} gave a {type(module).__name__}. "
                "A factory returns a torch.nn.Module, (module, example_input) or an exported program."
            )
        return convert_module(module, self._example(module, example), name)

    def _example(self, module: Any, given: Any) -> Any:
        if self.example is not None:
            return parse_example(self.example) if isinstance(self.example, str) else tensors(self.example)
        return tensors(given if given is not None else getattr(module, "example_input", None))


def described(source: Any) -> str:
    """Return what errors call a source: its path or its module's class."""
    if isinstance(source, str | Path):
        return f"'{source}'"
    return f"the {type(source[0] if isinstance(source, tuple) else source).__name__}"


def require_torch() -> None:
    """Import torch, or raise ModelError saying how to install it."""
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise ModelError(
            f"PyTorch models need torch, which cannot be imported ({error}). Install it: pip install ovquant[torch]."
        ) from error


def is_reference(text: str) -> bool:
    """Tell whether text is `FILE.py:NAME` or `package.module:NAME`, with or without options."""
    return _REFERENCE.fullmatch(parse_reference(text)[0]) is not None


def parse_reference(text: str) -> tuple[str, Mapping[str, str]]:
    """Split off a factory's options; text that is not a specification has none."""
    try:
        spec = parse_spec(text)
    except UsageError:
        return text, {}
    return spec.name, spec.options


def is_module(source: object) -> bool:
    """Tell whether an object is a torch.nn.Module, without importing torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(source, torch.nn.Module)


def lacks_example(source: object) -> bool:
    """Tell whether an object is a module that is to be traced and has no example input to trace it with."""
    return is_module(source) and getattr(source, "example_input", None) is None


def is_program(source: object) -> bool:
    """Tell whether an object is a torch.export.ExportedProgram, without importing torch."""
    exported = sys.modules.get("torch.export.exported_program")
    return exported is not None and isinstance(source, exported.ExportedProgram)


def call_factory(text: str) -> Any:
    """Call the factory of `FILE.py:NAME:key=value`, options coerced from its annotations; raise ModelError."""
    reference, options = parse_reference(text)
    try:
        factory = import_object(reference)
    except UsageError as error:
        raise ModelError(f"The model '{text}' cannot be made: {error}") from error
    if is_module(factory) or is_program(factory) or isinstance(factory, tuple):
        return factory
    if not callable(factory):
        raise ModelError(
            f"'{reference}' is a {type(factory).__name__}. Name a function that returns a torch.nn.Module."
        )
    try:
        hints = typing.get_type_hints(factory) if inspect.isfunction(factory) else {}
        return factory(
            **{key: coerce(value, hints.get(key, str), f"{reference}: {key}") for key, value in options.items()}
        )
    except OvquantError:
        raise
    except Exception as error:
        raise ModelError(
            f"The factory '{reference}' failed: {type(error).__name__}: {error}. Correct it; it is called with {options}."
        ) from error


def read_program(path: Path) -> Any:
    """Read a .pt2 file with nothing unpickled; raise ModelError for pickles and for what torch cannot read."""
    if path.suffix.lower() in _PICKLES:
        raise ModelError(
            f"'{path}' is a pickle or TorchScript, which can run any code when it is read. "
            "Save the model with torch.export.save as .pt2, or write a FILE.py:factory that builds the module "
            "and loads its weights, from safetensors or with torch.load(..., weights_only=True)."
        )
    if not path.is_file():
        raise ModelError(f"The model file '{path}' does not exist. Check the path.")
    import torch

    refuse_compiled_code(path)
    try:
        with no_pickles(), quiet():
            return torch.export.load(path)
    except Exception as error:
        raise ModelError(
            f"The exported program '{path}' cannot be read: {first_cause(error)} "
            f"Export and save it again with torch {torch.__version__}, tensors only, or use a FILE.py:factory."
        ) from error


def refuse_compiled_code(path: Path) -> None:
    """Raise ModelError for an archive with compiled libraries in it: torch would run them as it loads them."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile) as error:
        raise ModelError(
            f"The exported program '{path}' is not a .pt2 archive: {error}. Save it again with torch.export.save."
        ) from error
    if any("/aotinductor/" in name for name in names):
        raise ModelError(
            f"'{path}' holds compiled AOTInductor code, which OpenVINO cannot use. Save the program with torch.export.save."
        )


@contextmanager
def no_pickles() -> Iterator[None]:
    """Make every torch.load inside read tensors only; torch.export.load would fall back to unpickling anything."""
    name = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


@contextmanager
def quiet() -> Iterator[None]:
    """Hide the deprecations that openvino's use of torch causes; tracer warnings, which are about the model, stay."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        yield


def detached(source: Any, name: str) -> Any:
    """Return a deep copy: a converted model shares the memory of the weights it came from."""
    try:
        with quiet():
            return copy.deepcopy(source)
    except Exception as error:
        raise ModelError(
            f"{name} cannot be copied, and converting it in place would change it: {first_cause(error)} "
            "Give a FILE.py:factory that builds a new one."
        ) from error


def convert_module(module: Any, example: Any, name: str) -> "openvino.Model":
    """Trace a copy of the module, in eval mode on the CPU, and convert it."""
    import torch

    if example is None and not isinstance(module, torch.jit.ScriptModule):
        raise ExampleError(
            f"{name} needs an example input to be traced with. Give (module, example_input), set module.example_input, "
            "or use the loader torch:example=1x3x224x224."
        )
    frozen = detached(module, name).eval().to("cpu")
    model = convert(frozen, name, {} if example is None else {"example_input": example})
    if isinstance(module, torch.jit.ScriptModule):
        return model
    name_inputs(model, parameter_names(frozen.forward, example))
    with quiet():
        return with_digest(model, module_digest(frozen, example))


def convert_program(program: Any, name: str) -> "openvino.Model":
    """Convert an exported program, which has its own example, names and shapes.

    openvino leaves every dimension dynamic, although the program holds the fixed ones as constants and would
    give wrong results for others; so they are fixed again.
    """
    model = convert(program, name, {})
    shapes = program_shapes(program)
    fixed = {port: shapes[key] for port in model.inputs for key in port.get_names() if key in shapes}
    try:
        model.reshape(fixed)
    except RuntimeError as error:
        raise ModelError(
            f"{name} cannot be given the shapes it was exported with: {first_cause(error)} "
            "Export it again, with dynamic_shapes for the dimensions that vary."
        ) from error
    return with_digest(model, program_digest(program))


def program_shapes(program: Any) -> dict[str, "openvino.PartialShape"]:
    """Return the shape of each input tensor of an exported program by name; its symbolic dimensions are dynamic."""
    import openvino

    values = {node.name: node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder"}
    return {
        name: openvino.PartialShape([size if isinstance(size, int) else -1 for size in values[name].shape])
        for name in program.graph_signature.user_inputs
        if hasattr(values.get(name), "shape")
    }


def convert(source: Any, name: str, options: Mapping[str, Any]) -> "openvino.Model":
    """Call openvino's converter; raise ModelError with its cause."""
    import openvino

    try:
        with quiet():
            return with_own_bfloats(openvino.convert_model(source, **options))
    except Exception as error:
        raise ModelError(
            f"OpenVINO cannot convert {name}: {first_cause(error)} Check that the example input fits forward(), or "
            "export the model to ONNX with torch.onnx.export and give that file."
        ) from error


def with_own_bfloats(model: "openvino.Model") -> "openvino.Model":
    """Give a converted model bfloat16 constants of its own, in place: openvino 2026.4.1 lets them go with the module."""
    import openvino

    for operation in model.get_ordered_ops():
        if operation.get_type_name() != "Constant" or operation.get_element_type() != openvino.Type.bf16:
            continue
        tensor = openvino.Tensor(openvino.Type.bf16, operation.get_output_shape(0))
        tensor.data[...] = operation.data
        own = openvino.op.Constant(tensor, shared_memory=False)
        own.set_friendly_name(operation.get_friendly_name())
        for target in operation.output(0).get_target_inputs():
            target.replace_source_output(own.output(0))
    return model


def parse_example(text: str) -> Any:
    """Make zeros (or False) from `1x3x224x224` or `1x16xi64;1x16xi64`: one tensor, or a tuple."""
    import torch

    made = []
    for part in text.replace(" ", "").split(";"):
        match = _EXAMPLE.fullmatch(part)
        if not part or match is None:
            raise UsageError(
                f"'{part}' in example '{text}' is not a valid shape. Write 1x3x224x224 or 1x16xi64, several separated by ';'; "
                f"the types: {', '.join(_TYPES)}."
            )
        sizes = [int(size) for size in match["sizes"].split("x")]
        made.append(torch.zeros(sizes, dtype=getattr(torch, _TYPES[match["type"] or "f32"])))
    return made[0] if len(made) == 1 else tuple(made)


def tensors(value: Any) -> Any:
    """Return an example with its numpy arrays as tensors on the CPU; containers keep their kind."""
    import numpy
    import torch

    if isinstance(value, torch.Tensor):
        return value.detach().cpu()
    if isinstance(value, numpy.ndarray | numpy.generic):
        return torch.from_numpy(numpy.array(value))
    if isinstance(value, Mapping):
        return {key: tensors(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(tensors(item) for item in value)
    return value


def parameter_names(forward: Callable[..., Any], example: Any) -> list[str]:
    """Return a name for each tensor of the example, in order, from forward()'s parameters: `x`, or `xs_0`, `xs_1`."""
    positional = example if isinstance(example, tuple) else (example,)
    try:
        signature = inspect.signature(forward)
        bound = signature.bind(**example) if isinstance(example, Mapping) else signature.bind(*positional)
    except (TypeError, ValueError):
        return []
    return [name for key, value in bound.arguments.items() for name in _leaves(key, value)]


def _leaves(name: str, value: Any) -> list[str]:
    if value is None or isinstance(value, bool | int | float | str):
        return []
    if isinstance(value, Mapping):
        return [leaf for key, item in value.items() for leaf in _leaves(str(key), item)]
    if isinstance(value, Sequence):
        return [leaf for index, item in enumerate(value) for leaf in _leaves(f"{name}_{index}", item)]
    return [name]


def name_inputs(model: "openvino.Model", names: Sequence[str]) -> None:
    """Add names to the inputs that have none but a tracer's number; names that are taken are left alone.

    Numbers of names and inputs that differ mean that the tracer dropped some, so nothing is known: no change.
    """
    if len(names) != len(model.inputs):
        return
    ports = [*model.inputs, *model.outputs]
    for port, name in zip(model.inputs, names, strict=True):
        taken = {other for item in ports for other in item.get_names()}
        kept = {given for given in port.get_names() if re.fullmatch(r"[A-Za-z_]\w*", given)}
        # An input that is also an output carries the output's name, and its own only on its node.
        if name in taken or (kept and port.get_node().get_friendly_name() != name):
            continue
        port.get_tensor().set_names({name, *kept})
        port.get_node().set_friendly_name(name)
