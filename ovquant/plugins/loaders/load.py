"""Choose the loader that reads a source, and check what it gives."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ovquant.domain.model_folder import CONFIG
from ovquant.errors import ModelError, UsageError
from ovquant.plugins.protocols import Loader
from ovquant.plugins.registry import Registry
from ovquant.plugins.spec import create

if TYPE_CHECKING:
    import openvino


CONVERSIONS = {
    ".gguf": "OpenVINO does not read GGUF. Convert it first: read it with Transformers (from_pretrained(FOLDER, gguf_file=NAME)), "
    "write it with save_pretrained, and run 'optimum-cli export openvino' on that folder.",
    ".safetensors": "It holds weights and no network: 'optimum-cli export openvino --model FOLDER OUT' converts the folder that it is in.",
    ".keras": "Write it as a SavedModel first, with model.export(FOLDER), and give that folder.",
    ".h5": "Write it as a SavedModel first, with model.export(FOLDER), and give that folder.",
}
"""What to do with files that no loader reads, by suffix."""


def load_model(source: object, loader: Any = None) -> "openvino.Model":
    """Return the model of a source; an `openvino.Model` is returned as it is, so clone before changing it.

    `source` is a path, an object such as a torch module, or the text `FILE.py:factory`. `loader` is one by
    name with options (`torch:example=1x3x224x224`) or an object that fits `protocols.Loader`; without it,
    the registered loader that accepts the source reads it.

    Raises ModelError when nothing reads the source, reading fails, or the model has no inputs or outputs;
    UsageError for a loader that does not exist.
    """
    if is_openvino_model(source):
        return checked(source, "the model")
    registry = Registry("loaders")
    chosen = registry.resolve(loader) if loader is not None else choose_loader(source, instances(registry))
    return checked(chosen.load(source), described(source))


def instances(registry: Registry) -> dict[str, Loader]:
    """Make every registered loader with its default options; one that needs options must be asked for by name."""
    made = {}
    for name, factory in registry.working().items():
        try:
            made[name] = create(factory, {}, what=f"loader '{name}'")
        except UsageError:
            continue
    return made


def choose_loader(source: object, loaders: Mapping[str, Loader]) -> Loader:
    """Return the one loader that accepts the source; raise ModelError when none or several do."""
    accepting = [name for name, loader in loaders.items() if loader.accepts(source)]
    if len(accepting) > 1:
        raise ModelError(
            f"{_sentence(source)} is read by several loaders: {', '.join(accepting)}. Name the one to use as the loader."
        )
    if not accepting:
        raise ModelError(_refusal(source))
    return loaders[accepting[0]]


def is_openvino_model(source: object) -> bool:
    """Tell whether an object is an `openvino.Model`, without importing openvino."""
    openvino = sys.modules.get("openvino")
    return openvino is not None and isinstance(source, openvino.Model)


def checked(model: Any, name: str) -> "openvino.Model":
    """Return the model if it is one, with at least one input and one output; raise ModelError otherwise."""
    if not is_openvino_model(model):
        raise ModelError(f"Loading {name} gave a {type(model).__name__}. A loader must return an openvino.Model.")
    if not model.inputs or not model.outputs:
        missing = "inputs" if not model.inputs else "outputs"
        raise ModelError(
            f"The model of {name} has no {missing}, so it cannot be run on data. "
            f"Export it again with its {missing} marked as such."
        )
    found: openvino.Model = model
    return found


def described(source: object) -> str:
    """Return what errors call a source."""
    return f"'{source}'" if isinstance(source, str | Path) else f"a {type(source).__name__}"


def _sentence(source: object) -> str:
    name = described(source)
    return name[0].upper() + name[1:]


def _refusal(source: object) -> str:
    registry = Registry("loaders")
    listings = registry.listings()
    formats = " ".join(f"{item.name}: {item.summary}" for item in listings if not item.problem)
    broken = "".join(f" Broken: {item.problem}" for item in listings if item.problem)
    if isinstance(source, str | Path) and not Path(source).exists():
        return f"There is no model file or folder '{source}'. Check the path. The loaders read — {formats}{broken}"
    return f"No loader reads {described(source)}.{_conversion(source)} They read — {formats}{broken}"


def _conversion(source: object) -> str:
    """Say what makes a file that loaders read of one that they do not, where that is known."""
    if not isinstance(source, str | Path):
        return ""
    path = Path(source)
    if path.is_dir():
        known = (path / CONFIG).is_file()
        return f" 'optimum-cli export openvino --model {path} FOLDER' makes a folder that is read." if known else ""
    remedy = CONVERSIONS.get(path.suffix.lower(), "")
    return remedy and f" {remedy}"
