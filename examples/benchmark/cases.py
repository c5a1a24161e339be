"""The cases of the benchmark: a trained model, three sets of labelled data, a metric and a budget each."""

import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ovquant.demo.fetch import cache_folder, fetch, recogniser

HERE = Path(os.path.relpath(Path(__file__).resolve().parent))
CASES = Path(os.path.relpath(Path(__file__).resolve().parent.parent / "cases"))
WORDS = "ovquant.demo.words:Words"
ORIENTATION = (
    "rapidocr-onnxruntime==1.4.4",
    "rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx",
    "e47acedf663230f8863ff1ab0e64dd2d82b838fceb5957146dab185a89d6215c",
)


@dataclass(frozen=True)
class Case:
    """One model with its data, metric and budget, as texts that ovquant reads.

    `model` returns the model's text, and fetches or trains it where needed. `search` is all that a contender sees;
    `holdout` is what ovquant walks; `fresh` is seen by nothing but the final measuring. `shares` names the case whose
    float, NNCF and onnxruntime models are the same. `trained_here` tells that its net is not a published one.
    """

    name: str
    model: Callable[[], str]
    search: str
    holdout: str
    fresh: str
    metric: str
    max_drop: str
    reason: str
    onnx: bool = False
    shares: str = ""
    trained_here: bool = False


def _recogniser() -> str:
    return str(recogniser())


def _of(name: str) -> Callable[[], str]:
    """Return what calls `model` of a file of examples/cases, which returns a path."""

    def model() -> str:
        sys.path.append(str(CASES))
        return str(importlib.import_module(name).model())

    return model


def _orientation() -> str:
    return str(fetch(*ORIENTATION))


def _plain() -> str:
    """Write the TFLite file in a process of its own, as the first call trains the net."""
    path = cache_folder() / "fashion-plain.tflite"
    if not path.exists():
        partial = path.with_name("fashion-plain.partial.tflite")
        partial.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, str(CASES / "fashion.py"), str(partial)], check=True)
        partial.replace(path)
    return str(path)


def _words(name: str, max_drop: str, reason: str, shares: str = "") -> Case:
    return Case(
        name,
        _recogniser,
        search=f"{WORDS}:count=1000,seed=0",
        holdout=f"{WORDS}:count=3000,seed=12",
        fresh=f"{WORDS}:count=3000,seed=11",
        metric="ovquant.demo.words:exact",
        max_drop=max_drop,
        reason=reason,
        onnx=True,
        shares=shares,
    )


_ALL = (
    _words("recogniser-2pt", "2pt", "depthwise convolutions and attention; default INT8 loses many points"),
    _words("recogniser-1pt", "1pt", "the same model at half the budget", shares="recogniser-2pt"),
    Case(
        "recogniser-widths",
        _recogniser,
        search=f"{HERE}/data.py:WidthsOfTheirOwn:count=1000,seed=0",
        holdout=f"{HERE}/data.py:WidthsOfTheirOwn:count=3000,seed=12",
        fresh=f"{HERE}/data.py:WidthsOfTheirOwn:count=3000,seed=11",
        metric="ovquant.demo.words:exact",
        max_drop="2pt",
        reason="the recogniser on words as wide as they are: each request has another shape",
        onnx=True,
    ),
    Case(
        "notes",
        _of("notes"),
        search=f"{CASES}/notes.py:Notes:count=400,seed=0",
        holdout=f"{CASES}/notes.py:Notes:count=600,seed=12",
        fresh=f"{CASES}/notes.py:Notes:count=600,seed=11",
        metric=f"{CASES}/notes.py:frames",
        max_drop="1%",
        reason="music transcription: a constant-Q transform in front of small convolutions",
        onnx=True,
    ),
    Case(
        "detector",
        _of("pages"),
        search=f"{CASES}/pages.py:Pages:count=200,seed=0",
        holdout=f"{CASES}/pages.py:Pages:count=300,seed=12",
        fresh=f"{CASES}/pages.py:Pages:count=300,seed=11",
        metric=f"{CASES}/pages.py:boxes",
        max_drop="1pt",
        reason="text detection: a feature pyramid whose output is an image",
        onnx=True,
    ),
    Case(
        "upscale",
        lambda: f"{CASES}/upscale.py:model",
        search=f"{CASES}/upscale.py:Tiles:part=search",
        holdout=f"{CASES}/upscale.py:Tiles:part=holdout",
        fresh=f"{CASES}/upscale.py:Tiles:part=fresh",
        metric="psnr",
        max_drop="0.1",
        reason="super-resolution: every error of a value shows, and the budget is a tenth of a decibel",
        trained_here=True,
    ),
    Case(
        "file-types",
        _of("file_types"),
        search=f"{CASES}/file_types.py:Files:part=0",
        holdout=f"{CASES}/file_types.py:Files:part=1,count=2000",
        fresh=f"{CASES}/file_types.py:Files:part=2,count=2000",
        metric="accuracy",
        max_drop="1%",
        reason="magika on the beginnings of files: float in bf16 is outside the budget",
        onnx=True,
    ),
    Case(
        "orientation",
        _orientation,
        search=f"{HERE}/orientation.py:Lines:count=1000,seed=0",
        holdout=f"{HERE}/orientation.py:Lines:count=3000,seed=12",
        fresh=f"{HERE}/orientation.py:Lines:count=3000,seed=11",
        metric="accuracy",
        max_drop="1%",
        reason="MobileNetV3: depthwise convolutions, hard swish and squeeze-and-excite",
        onnx=True,
    ),
    Case(
        "minilm",
        lambda: f"{CASES}/minilm.py:model",
        search=f"{CASES}/minilm.py:Texts:part=search,count=1000",
        holdout=f"{HERE}/data.py:texts:start=1000",
        fresh=f"{CASES}/minilm.py:Texts:part=holdout",
        metric="accuracy",
        max_drop="1%",
        reason="a transformer: default INT8 is far off, the transformer recipe is not",
    ),
    Case(
        "crepe-tiny",
        lambda: f"{CASES}/crepe.py:tiny",
        search=f"{CASES}/crepe.py:Tones:count=2000,seed=0",
        holdout=f"{CASES}/crepe.py:Tones:count=3000,seed=12",
        fresh=f"{CASES}/crepe.py:Tones:count=3000,seed=11",
        metric=f"{CASES}/crepe.py:rpa50",
        max_drop="1%",
        reason="thin convolutions: INT8 may not pay at all",
    ),
    Case(
        "fashion-residual",
        lambda: f"{CASES}/fashion.py:residual",
        search=f"{CASES}/fashion.py:Images:part=search,count=2000",
        holdout=f"{HERE}/data.py:images:start=2000,count=4000",
        fresh=f"{CASES}/fashion.py:Images:part=holdout",
        metric="accuracy",
        max_drop="1%",
        reason="residual additions, which INT8 in bf16 cannot compile on processors without AMX",
        trained_here=True,
    ),
    Case(
        "fashion-plain",
        _plain,
        search=f"{CASES}/fashion.py:Images:part=search,count=2000,channels_last=true",
        holdout=f"{HERE}/data.py:images:start=2000,count=4000,channels_last=true",
        fresh=f"{CASES}/fashion.py:Images:part=holdout,channels_last=true",
        metric="accuracy",
        max_drop="1%",
        reason="a TensorFlow Lite file for which default INT8 is already right",
        trained_here=True,
    ),
)
ALL = {case.name: case for case in _ALL}
