"""Operations kept in f32 where a device computes float below it: said in the IR alone, by an attribute of each operation."""

from collections.abc import Collection
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

import openvino

from ovquant.domain.layer import Layer
from ovquant.errors import ModelError
from ovquant.graph.fingerprint import EXACT
from ovquant.graph.normalise import DATA
from ovquant.graph.precision import WEIGHTED, is_constant

HEADS = {
    *WEIGHTED,
    "GroupNormalization",
    "GridSample",
    "Interpolate",
    "LogSoftmax",
    "LRN",
    "MVN",
    "NormalizeL2",
    "ReduceL1",
    "ReduceL2",
    "ReduceMean",
    "ReduceProd",
    "ReduceSum",
    "ScaledDotProductAttention",
    "Softmax",
}
"""Types of operations that begin a layer; what follows them up to the next belongs to it, since devices fuse it into them."""


def pinnable_layers(model: openvino.Model) -> tuple[Layer, ...]:
    """Return the operations of a model that can be kept in f32, by layers in their order; each is in one of them.

    model: with a name of its own for each operation. Quantizers and bodies of control flow are not among them.
    """
    layer_of: dict[str, str] = {}
    found: dict[str, list[tuple[str, str]]] = {}
    for operation in model.get_ordered_ops():
        name, kind = operation.get_friendly_name(), operation.get_type_name()
        if kind in DATA or not _is_float(operation) or is_constant(operation.output(0)):
            continue
        sources = (port.get_node().get_friendly_name() for port in operation.input_values())
        before = next((layer_of[source] for source in sources if source in layer_of), "")
        if kind == "FakeQuantize":
            # It has a precision of its own; what follows it may belong to the layer before it.
            layer_of |= {name: before} if before else {}
            continue
        before = before or name
        layer_of[name] = name if kind in HEADS else before
        found.setdefault(layer_of[name], []).append((name, kind))
    return tuple(
        Layer(name, tuple(part for part, _ in parts), (), tuple(kind for _, kind in parts))
        for name, parts in found.items()
    )


def _is_float(operation: openvino.Node) -> bool:
    return any(output.get_element_type().is_real() for output in operation.outputs())


def write_pinned(source: Path, target: Path, names: Collection[str]) -> None:
    """Write the XML file of an IR anew with the named operations kept in f32; its weights stay where they are.

    openvino offers no way to set the attribute on a model in memory. Raises ModelError where the file has no such operation.
    """
    try:
        tree = ElementTree.parse(source)
    except ElementTree.ParseError as error:
        raise ModelError(
            f"Layers cannot be kept in f32: a name in the model cannot be read as XML ({error})."
        ) from error
    missing = set(names)
    for layer in tree.iterfind("layers/layer"):
        if layer.get("name") in missing:
            missing.discard(layer.attrib["name"])
            info = layer.find("rt_info")
            info = ElementTree.SubElement(layer, "rt_info") if info is None else info
            ElementTree.SubElement(info, "attribute", name="precise", version="0")
    if missing:
        raise ModelError(f"The model has no operation '{min(missing)}', which is to be kept in f32.")
    tree.write(target, encoding="utf-8", xml_declaration=True)


def with_pinned(model: openvino.Model, names: Collection[str]) -> openvino.Model:
    """Return a model, read back from a file, with the named operations kept in f32; raises ModelError as `write_pinned` does."""
    core = openvino.Core()
    # The file is deleted behind it.
    core.set_property({"ENABLE_MMAP": False})
    with TemporaryDirectory(prefix="ovquant-") as folder:
        plain, path = Path(folder) / "plain.xml", Path(folder) / "model.xml"
        openvino.save_model(model, plain, compress_to_fp16=False)
        write_pinned(plain, path, names)
        return core.read_model(path, plain.with_suffix(".bin"))


def pinned(model: openvino.Model) -> set[str]:
    """Return the names of the operations that are kept in f32."""
    return {
        operation.get_friendly_name()
        for operation in model.get_ops()
        if any(key.rpartition("_")[0] in EXACT for key in operation.get_rt_info())
    }
