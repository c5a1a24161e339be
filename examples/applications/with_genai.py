"""Open a decoder's result with OpenVINO GenAI and with optimum-intel, unmodified, and compare what each writes with the IR itself.

    python examples/applications/with_genai.py OUT [--prompt TEXT] [--tokens 32]

OUT is a folder that `ovquant quantize FOLDER …` wrote. Both libraries are installed into an environment of their own. Each writes so
many tokens after the prompt, always the likeliest, at the properties of compile.json. The token ids are printed. They may part where
two tokens are as likely but for rounding, since GenAI computes attention in another way: for each library it is told how far a token
that it took was behind the likeliest at most, as the IR sees it, in standard deviations of the logits. The exit code is 1 where that
is more than 0.1.
"""

import argparse
import json
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from both_libraries import run_inside

PROMPT = "There was once a king who had a daughter"
TIE = 0.1
"""Standard deviations of the logits by which tokens that are as likely may part."""


def logits_of(folder: Path, serving: dict[str, Any], ids: list[int], next_token: Callable[[Any], int | None]) -> Any:
    """Return the logits of plain OpenVINO after a prompt and each token that `next_token` takes, until it takes none."""
    import numpy as np
    import openvino

    core = openvino.Core()
    request = core.compile_model(folder / "model.xml", serving["device"], serving["config"]).create_infer_request()
    names = {name for port in request.model_inputs for name in port.get_names()}
    found, past, given = [], 0, ids
    while True:
        past += len(given)
        inputs = {
            "input_ids": np.array([given], np.int64),
            "attention_mask": np.ones((1, past), np.int64),
            "position_ids": np.arange(past - len(given), past, dtype=np.int64)[None],
            "beam_idx": np.zeros(1, np.int32),
        }
        logits = request.infer({name: value for name, value in inputs.items() if name in names})["logits"]
        found.append(logits[0, -1].copy())
        token = next_token(found[-1])
        if token is None:
            return np.stack(found)
        given = [token]


def by_hand(folder: Path, serving: dict[str, Any], ids: list[int], count: int) -> list[int]:
    """Return what the IR writes in plain OpenVINO, token by token, with its past as state."""
    left = iter(range(count - 1))
    logits = logits_of(folder, serving, ids, lambda row: None if next(left, None) is None else int(row.argmax()))
    return [int(token) for token in logits.argmax(axis=1)]


def behind(folder: Path, serving: dict[str, Any], ids: list[int], tokens: list[int]) -> float:
    """Return how far a token was behind the likeliest at most, in standard deviations of the logits, each after those before."""
    taken = iter(tokens[:-1])
    logits = logits_of(folder, serving, ids, lambda _: next(taken, None))
    chosen = logits[range(len(tokens)), tokens]
    return float(((logits.max(axis=1) - chosen) / logits.std(axis=1)).max())


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
    """Print what each writes, and return 1 where a token was not among the likeliest."""
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
    apart = {name: behind(folder, serving, ids, tokens) for name, tokens in written.items()}
    print(f"behind the likeliest       {', '.join(f'{name.split()[0]} {most:.3f}' for name, most in apart.items())}")
    print(f"They wrote {tokenizer.decode(next(iter(written.values())))!r}")
    return int(max(apart.values()) > TIE)


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
