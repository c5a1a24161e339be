"""Run the exported recogniser in ONNX Runtime, by its own kernels and by its OpenVINO provider, beside the float model.

    .venv/bin/pip install -e ".[demo]" -e plugins/ovquant-onnx onnxruntime
    .venv/bin/python examples/applications/onnx_runtimes.py make out/demo out/runtimes
    .venv/bin/python examples/applications/onnx_runtimes.py run out/runtimes
    python3 -m venv out/provider && out/provider/bin/pip install onnxruntime-openvino
    out/provider/bin/python examples/applications/onnx_runtimes.py run out/runtimes --provider OpenVINOExecutionProvider

out/demo is the folder that `make demo` made. `make` exports it for ONNX Runtime and for TensorRT, renders fresh words, and
reads them with OpenVINO, float in f32 and the result as it is served. `run` needs onnxruntime and numpy alone.
"""

import argparse
import json
import shutil
import time
from itertools import groupby
from pathlib import Path

import numpy as np

MODELS = ("float", "onnxruntime", "tensorrt")
"""The float model, and the exports by their target."""


def make(result: Path, out: Path, count: int) -> None:
    """Write the models, the words, and what OpenVINO reads in them."""
    import openvino

    import ovquant
    from ovquant.demo.fetch import recogniser
    from ovquant.demo.words import Words

    out.mkdir(parents=True, exist_ok=True)
    shutil.copy2(recogniser(), out / "float.onnx")
    for target in MODELS[1:]:
        ovquant.export(result, to=f"onnx:target={target}", output=out / f"{target}.onnx", force=True)
    samples = [Words(count, seed=51)[place] for place in range(count)]
    images = np.stack([sample.inputs for sample in samples])
    lines = recogniser().with_name("characters.txt").read_text(encoding="utf-8").split("\n")
    characters = ["", *lines, " "]
    reference = openvino.Core().compile_model(recogniser(), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    served = ovquant.Result.load(result).compile()
    read = {
        name: [text(model(image[None])[0][0], characters) for image in images]
        for name, model in (("float", reference), ("quantized", served))
    }
    words = {"characters": characters, "words": [sample.target for sample in samples], **read}
    (out / "words.json").write_text(json.dumps(words), encoding="utf-8")
    np.save(out / "images.npy", images)


def text(scores: np.ndarray, characters: list[str]) -> str:
    """Return the text of scores [time, classes]."""
    return "".join(characters[best] for best, _ in groupby(scores.argmax(axis=-1).tolist())).strip()


def run(out: Path, provider: str) -> None:
    """Read the words with each model, in turn, and print what is right, what is the same, and how fast it is."""
    import onnxruntime

    sessions, options = {}, onnxruntime.SessionOptions()
    # Or the threads of one session would keep the processor busy while another one is timed.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    for name in MODELS:
        sessions[name] = onnxruntime.InferenceSession(out / f"{name}.onnx", options, providers=[provider])
        if sessions[name].get_providers()[0] != provider:
            raise SystemExit(f"onnxruntime {onnxruntime.__version__} has no {provider} here.")
    said = json.loads((out / "words.json").read_text(encoding="utf-8"))
    images = np.load(out / "images.npy")
    read: dict[str, list[str]] = {name: [] for name in MODELS}
    times: dict[str, list[float]] = {name: [] for name in MODELS}
    for image in images:
        for name, session in sessions.items():
            begin = time.perf_counter()
            (scores,) = session.run(None, {session.get_inputs()[0].name: image[None]})
            times[name].append(1e3 * (time.perf_counter() - begin))
            read[name].append(text(scores[0], said["characters"]))
    print(f"onnxruntime {onnxruntime.__version__}, {provider}, {len(images)} words")
    print(f"{'':22}{'right':>8}{'drop':>9}{'as OpenVINO float':>19}{'as OpenVINO int8':>18}{'median ms':>11}")
    rows = {"OpenVINO, float": said["float"], "OpenVINO, quantized": said["quantized"], **read}
    base = share(said["float"], said["words"])
    for name, texts in rows.items():
        right = share(texts, said["words"])
        alike = f"{share(texts, said['float']):19.3f}{share(texts, said['quantized']):18.3f}"
        taken = f"{np.median(times[name]):11.2f}" if name in times else ""
        print(f"{name:22}{right:8.4f}{base - right:9.4f}{alike}{taken}")


def share(texts: list[str], others: list[str]) -> float:
    """Return the share of texts that are the same."""
    return sum(one == other for one, other in zip(texts, others, strict=True)) / len(texts)


def main() -> None:
    """Do one of the two halves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    halves = parser.add_subparsers(dest="half", required=True)
    making = halves.add_parser("make")
    making.add_argument("result", type=Path, help="the folder that ovquant wrote")
    making.add_argument("out", type=Path)
    making.add_argument("--count", type=int, default=2000)
    running = halves.add_parser("run")
    running.add_argument("out", type=Path)
    running.add_argument("--provider", default="CPUExecutionProvider")
    asked = parser.parse_args()
    if asked.half == "make":
        make(asked.result, asked.out, asked.count)
    else:
        run(asked.out, asked.provider)


if __name__ == "__main__":
    main()
