"""Quantize the MiniLM encoder, export it for optimum-intel, and load it there in an environment of its own.

    .venv/bin/python examples/applications/minilm_optimum.py make --out out/minilm
    python -m venv hub && hub/bin/pip install torch==2.13.0 optimum-intel==2.2.0 openvino==2026.4.1
    hub/bin/python examples/applications/minilm_optimum.py load --out out/minilm

`make` also keeps texts that were not calibrated on, and the float encoder's vectors of them; `load` compares with these.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

CASES = Path(__file__).resolve().parent.parent / "cases"
KEPT = 200


def mean_vector(tokens: np.ndarray) -> np.ndarray:
    """Return the normalised mean of token vectors [1, tokens, width]."""
    mean = tokens[0].mean(axis=0)
    return mean / np.linalg.norm(mean)


def make(out: Path) -> None:
    """Quantize the encoder with a certified budget on its outputs, which needs no labels, and export it."""
    sys.path.append(str(CASES))
    import minilm
    import openvino
    import torch

    import ovquant

    encoder = minilm.Classifier().encoder
    example = {
        "input_ids": torch.ones(1, 16, dtype=torch.int64),
        "attention_mask": torch.ones(1, 16, dtype=torch.int64),
    }
    model = openvino.convert_model(encoder, example_input=example)
    model.outputs[0].get_tensor().set_names({"last_hidden_state"})
    data = [sample._replace(target=None) for sample in map(minilm.Texts("search").__getitem__, range(1200))]
    how = {"metric": "fidelity:by=cosine", "max_drop": 0.02, "confidence": 0.95, "time_budget": 120, "force": True}
    result = ovquant.quantize(model, data=data, output=out / "result", **how)
    speed = result.trial.timing.speedup if result.trial.timing else 1.0
    print(f"{result.verdict}: {result.plan.name}, {speed:.2f}x, certified: {result.trial.holdout.certified}")
    source = minilm.encoder_file("config.json").parent
    ovquant.export(result.folder, to=f"optimum:source={source}", output=out / "hub", force=True)
    truth = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    held = [minilm.Texts("holdout")[place].inputs for place in range(KEPT)]
    vectors = np.stack([mean_vector(truth(inputs_of(item["input_ids"]))[0]) for item in held])
    ids = np.zeros((KEPT, minilm.LONGEST), np.int64)
    for row, item in zip(ids, held, strict=True):
        row[: len(item["input_ids"])] = item["input_ids"]
    np.savez(out / "kept.npz", ids=ids, lengths=[len(item["input_ids"]) for item in held], vectors=vectors)


def inputs_of(ids: np.ndarray) -> dict[str, np.ndarray]:
    """Return the inputs of a text."""
    return {"input_ids": ids[None], "attention_mask": np.ones((1, len(ids)), np.int64)}


def load(out: Path) -> None:
    """Load the export with optimum-intel and compare its vectors with those of the float encoder."""
    import torch
    from optimum.intel import OVModelForFeatureExtraction

    config = json.loads((out / "hub" / "ov_config.json").read_text())
    model = OVModelForFeatureExtraction.from_pretrained(out / "hub", ov_config=config)
    with np.load(out / "kept.npz") as kept:
        rows = [ids[:length] for ids, length in zip(kept["ids"], kept["lengths"], strict=True)]
        truth = kept["vectors"]
    found = []
    for ids in rows:
        tensors = {name: torch.tensor(array) for name, array in inputs_of(ids).items()}
        found.append(mean_vector(model(**tensors).last_hidden_state.numpy()))
    cosine = (np.stack(found) * truth).sum(axis=1)
    print(
        f"{len(rows)} texts read by {type(model).__name__}: cosine with float {cosine.mean():.4f}, least {cosine.min():.4f}"
    )
    assert cosine.mean() > 0.97, "the export does not do what the encoder did"


def main() -> None:
    """Do one of the two halves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("half", choices=("make", "load"))
    parser.add_argument("--out", type=Path, default=Path("out/minilm"))
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    make(asked.out) if asked.half == "make" else load(asked.out)


if __name__ == "__main__":
    main()
