"""Read rendered pages with the unmodified rapidocr pipeline, with the float recogniser and with a quantized one in its place.

    python -m venv ocr && ocr/bin/pip install ".[demo]" rapidocr==3.10.0 rapidfuzz
    ocr/bin/python examples/applications/rapidocr_swap.py FLOAT.onnx RESULT [--pages 40]

FLOAT.onnx is the recogniser that the folder RESULT was made from (`ovquant quantize FLOAT.onnx ... -o RESULT`). Three
pipelines read the same pages: with the float model, with RESULT/model.xml given as the recogniser's path, and with the float
model's path and ovquant.Core in place of openvino.Core, which serves RESULT in its place.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from rapidfuzz.distance import Levenshtein

from ovquant import Core
from ovquant.demo.words import fonts, vocabulary

LINES = 12


def page(number: int) -> tuple[np.ndarray, list[str]]:
    """Render a page of lines of words and return it with its lines."""
    random = np.random.default_rng([7, number])
    image = Image.new("RGB", (900, 60 + 62 * LINES), "white")
    texts = []
    for line in range(LINES):
        picks = random.integers(len(vocabulary()), size=int(random.integers(2, 6)))
        texts.append(" ".join(vocabulary()[int(pick)] for pick in picks))
        font = ImageFont.truetype(str(fonts()[int(random.integers(len(fonts())))]), int(random.integers(24, 36)))
        ImageDraw.Draw(image).text((30, 30 + 62 * line), texts[-1], font=font, fill="black")
    noise = random.normal(0, 8, (image.height, image.width, 3))
    return np.clip(np.asarray(image, dtype=np.float64) + noise, 0, 255).astype(np.uint8), texts


def pipeline(recogniser: Path) -> Any:
    """Return rapidocr's pipeline with OpenVINO as its engine and a recogniser of ours."""
    from rapidocr import EngineType, ModelType, OCRVersion, RapidOCR

    engines = {f"{stage}.engine_type": EngineType.OPENVINO for stage in ("Det", "Cls", "Rec")}
    ours = {
        "Rec.model_path": str(recogniser),
        "Rec.ocr_version": OCRVersion.PPOCRV4,
        "Rec.model_type": ModelType.MOBILE,
    }
    reader = RapidOCR(params={**engines, **ours, "Global.log_level": "error"})
    # It loads its models when they are first needed.
    reader(page(0)[0])
    return reader


def read(reader: Any, pages: list[tuple[np.ndarray, list[str]]]) -> tuple[list[str], float, float]:
    """Return the text of each page, the share of characters that are right, and the seconds spent recognising."""
    found, right, total, spent = [], 0.0, 0, 0.0
    recogniser = reader.text_rec

    def timed(*arguments: Any) -> Any:
        nonlocal spent
        begin = time.perf_counter()
        done = recogniser(*arguments)
        spent += time.perf_counter() - begin
        return done

    reader.text_rec = timed
    for image, texts in pages:
        lines = reader(image).txts or ()
        found.append("\n".join(lines))
        expected = " ".join(texts)
        right += Levenshtein.normalized_similarity(expected, " ".join(lines)) * len(expected)
        total += len(expected)
    return found, right / total, spent


def main() -> None:
    """Read the pages three ways and print what was read and how long it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="the float recogniser")
    parser.add_argument("result", type=Path, help="the folder that ovquant wrote")
    parser.add_argument("--pages", type=int, default=40)
    asked = parser.parse_args()
    pages = [page(number) for number in range(asked.pages)]
    readers = {"float": pipeline(asked.model), "quantized, by path": pipeline(asked.result / "model.xml")}
    import rapidocr.inference_engine.openvino.main as engine

    # What another import line in that module would do.
    plain, engine.Core = engine.Core, lambda: Core(store=asked.result)
    readers["quantized, by ovquant.Core"] = pipeline(asked.model)
    engine.Core = plain
    truth: list[str] = []
    print(f"{'recogniser':28}{'characters right':>18}{'pages as float':>16}{'seconds':>9}")
    for name, reader in readers.items():
        found, right, spent = read(reader, pages)
        truth = truth or found
        same = sum(mine == theirs for mine, theirs in zip(found, truth, strict=True))
        print(f"{name:28}{right:18.4f}{same:12} / {len(pages)}{spent:9.1f}")


if __name__ == "__main__":
    main()
