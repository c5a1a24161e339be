"""Open a decoder's result with OpenVINO GenAI and with optimum-intel, unmodified, and compare what each writes with the IR itself.

    python examples/applications/with_genai.py OUT [--prompt TEXT] [--tokens 32]

OUT is a folder that `ovquant quantize FOLDER …` wrote. Both libraries are installed into an environment of their own. Each writes so
many tokens after the prompt, always the likeliest, at the properties of compile.json. The token ids are printed; the exit code is 1
where they differ.
"""

import argparse
import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from both_libraries import run_inside

PROMPT = "There was once a king who had a daughter"


def by_hand(folder: Path, serving: dict[str, Any], ids: list[int], count: int) -> list[int]:
    """Return what the IR writes in plain OpenVINO, token by token, with its past as state."""
    import numpy as np
    import openvino

    core = openvino.Core()
    request = core.compile_model(folder / "model.xml", serving["device"], serving["config"]).create_infer_request()
    names = {name for port in request.model_inputs for name in port.get_names()}
    found, past, given = list[int](), 0, ids
    while len(found) < count:
        tokens = np.array([given], np.int64)
        past += len(given)
        inputs = {
            "input_ids": tokens,
            "attention_mask": np.ones((1, past), np.int64),
            "position_ids": np.arange(past - len(given), past, dtype=np.int64)[None],
            "beam_idx": np.zeros(1, np.int32),
        }
        logits = request.infer({name: value for name, value in inputs.items() if name in names})["logits"]
        given = [int(logits[0, -1].argmax())]
        found += given
    return found


def by_optimum(folder: Path, serving: dict[str, Any], ids: list[int], count: int) -> list[int]:
    """Return what optimum-intel's OVModelForCausalLM writes."""
    import torch
    from optimum.intel import OVModelForCausalLM

    model = OVModelForCausalLM.from_pretrained(folder, device=serving["device"], ov_config=serving["config"])
    given = torch.tensor([ids])
    how = {"max_new_tokens": count, "min_new_tokens": count, "do_sample": False}
    found = model.generate(input_ids=given, attention_mask=torch.ones_like(given), **how)
    return [int(token) for token in found[0, len(ids) :]]


def by_genai(folder: Path, serving: dict[str, Any], ids: list[int], count: int) -> list[int]:
    """Return what OpenVINO GenAI's LLMPipeline writes."""
    import numpy as np
    import openvino
    import openvino_genai

    pipeline = openvino_genai.LLMPipeline(str(folder), serving["device"], **serving["config"])
    tokens = np.array([ids], np.int64)
    given = openvino_genai.TokenizedInputs(openvino.Tensor(tokens), openvino.Tensor(np.ones_like(tokens)))
    found = pipeline.generate(given, max_new_tokens=count, do_sample=False, ignore_eos=True)
    return list(found.tokens[0])


def compared(folder: Path, prompt: str, count: int) -> int:
    """Print what each writes, and return 1 where they differ."""
    from transformers import AutoTokenizer

    serving = json.loads((folder / "compile.json").read_text(encoding="utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer(prompt, add_special_tokens=False).input_ids
    written = {
        f"openvino {version('openvino')}": by_hand(folder, serving, ids, count),
        f"optimum-intel {version('optimum-intel')}": by_optimum(folder, serving, ids, count),
        f"openvino-genai {version('openvino-genai')}": by_genai(folder, serving, ids, count),
    }
    print(f"{prompt!r} and {count} tokens, at {serving['config']}")
    for name, tokens in written.items():
        print(f"{name:26} {' '.join(map(str, tokens))}")
    first, *others = written.values()
    same = all(tokens == first for tokens in others)
    print(f"{'The same' if same else 'NOT the same'}: {tokenizer.decode(first)!r}")
    return 0 if same else 1


def main() -> int:
    """Install what is needed, and compare there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="OUT", type=Path)
    parser.add_argument("--prompt", default=PROMPT)
    parser.add_argument("--tokens", type=int, default=32)
    asked = parser.parse_args()
    code = run_inside()
    return compared(asked.folder, asked.prompt, asked.tokens) if code is None else code


if __name__ == "__main__":
    sys.exit(main())
