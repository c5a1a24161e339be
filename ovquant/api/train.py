"""Training with quantizers in the loop: a module with quantizers for a loop of the user's own, and what comes of it."""

import contextlib
import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openvino

from ovquant.api.prepare import example_of, tensors_of
from ovquant.domain.split import drawn
from ovquant.errors import ModelError, UsageError
from ovquant.plugins.datasets import open_dataset
from ovquant.plugins.loaders import load_model
from ovquant.plugins.loaders.torch import call_factory, is_module, is_reference, require_torch
from ovquant.plugins.recipes import read_recipe, split_parts

SAMPLES = 300


def fake_quantize(module: Any, data: Any, *, recipe: str = "mixed", samples: int = SAMPLES, seed: int = 0) -> Any:
    """Return a copy of a torch.nn.Module with quantizers in it, which an ordinary training loop trains with its weights.

    data: what its ranges are calibrated on, as `quantize` takes it; `samples` of them are drawn by `seed`. recipe: `default`, `mixed`
    or `transformer`, or several joined by +. The copy takes what the module takes, and has the module's parameters, with the ranges
    of its quantizers as further ones. Give it back to `quantize` when it is trained, with the module as `reference`. The quantizers
    are those of `nncf.quantize`.

    Raises UsageError for another recipe, and ModelError for what is no module, or for one that NNCF cannot quantize.
    """
    require_torch()
    from ovquant.quantization.trained import fake_quantized

    if not is_module(module):
        raise ModelError(f"fake_quantize takes a torch.nn.Module, and was given a {type(module).__name__}.")
    if samples < 1:
        raise UsageError(f"samples is {samples}; give one or more.")
    found = open_dataset(data)
    places: Sequence[int] = drawn(len(found), samples, seed=seed) if samples < len(found) else range(len(found))
    requests = [tensors_of(found[place]) for place in places]
    return fake_quantized(module, requests, read_recipe(split_parts(recipe)))


def written_trained(trained: Any, data: Any, folder: Path) -> Path:
    """Return the file of a model that was trained with quantizers in it, written into a folder; data: what it is traced with.

    trained: a module as `fake_quantize` or NNCF returns it, alone or beside an example input, a FILE.py:factory that returns one, or a
    model that the loaders read.
    """
    given = call_factory(trained) if isinstance(trained, str) and is_reference(trained) else trained
    module, example = given if isinstance(given, tuple) else (given, None)
    if is_module(module) and example is None:
        example = getattr(module, "example_input", None)
        given = (module, example_of(module, data) if example is None else example)
    path = folder / "trained.xml"
    # openvino first tries an export that quantizers do not take, of which torch prints a page.
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        # They are about quantizers: sizes that are read as numbers, and values that are rounded to the next step. What is to be
        # said of the module itself is said of the reference.
        for message in ("Converting a tensor to a Python number", "Output nr 1. of the traced function does not match"):
            warnings.filterwarnings("ignore", message=message)
        openvino.save_model(load_model(given), path, compress_to_fp16=False)
    return path
