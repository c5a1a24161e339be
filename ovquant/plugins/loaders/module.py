"""The PyTorch module that a model was exported from, for training."""

import json
from pathlib import Path
from typing import Any

from ovquant.errors import ModelError
from ovquant.plugins.loaders.torch import (
    call_factory,
    described,
    detached,
    is_module,
    is_reference,
    quiet,
    require_torch,
)


def load_module(source: Any) -> Any:
    """Return a torch.nn.Module in f32 that may be changed, from one, a FILE.py:factory, or a folder of Transformers.

    Raises ModelError for anything else, and says what to give in its stead.
    """
    require_torch()
    given = call_factory(source) if isinstance(source, str) and is_reference(source) else source
    module = given[0] if isinstance(given, tuple) and given else given
    if isinstance(module, str | Path) and (Path(module) / "config.json").is_file():
        module = _from_transformers(Path(module))
    import torch

    if not is_module(module) or isinstance(module, torch.jit.ScriptModule):
        what = described(source) if isinstance(source, str | Path) else f"A {type(module).__name__}"
        raise ModelError(
            f"{what} cannot be trained. Give as --module the PyTorch module that it was exported from: FILE.py:factory, a "
            "torch.nn.Module that is not scripted, or a folder that Transformers reads, with config.json and model.safetensors."
        )
    return detached(module, described(module)).float().to("cpu")


def _from_transformers(folder: Path) -> Any:
    """Read a folder that Transformers writes, by the class that its configuration names; its code is never run."""
    try:
        import transformers
    except ImportError as error:
        raise ModelError(
            f"'{folder}' needs transformers, which cannot be imported ({error}). Install it: pip install ovquant[train]."
        ) from error
    try:
        values = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        named = next(iter(values.get("architectures") or ()), "AutoModel")
        kind = getattr(transformers, named, transformers.AutoModel)
        with quiet():
            return kind.from_pretrained(folder, local_files_only=True, use_safetensors=True, dtype="float32")
    except Exception as error:
        cause = str(error).strip().partition("\n")[0]
        raise ModelError(f"Transformers cannot read '{folder}': {cause}") from error
