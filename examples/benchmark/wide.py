"""Peak memory of a training block by block against a decoder's size: four blocks of a Llama's shape, generated, and deleted afterwards.

    python examples/benchmark/wide.py [--hidden 2048] [--seconds 120] [--out out/wide]

The weights are drawn, so what it says is nothing: only memory and time count. The memory is what all processes of the command hold at one
moment, without files that are mapped (anonymous) and with them (resident).
"""

import argparse
import json
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import torch
from memory import peak

CASES = Path(__file__).resolve().parents[1] / "cases"
sys.path.append(str(CASES))

from llama import Config, weights_in  # noqa: E402
from llama import module as llama_module  # noqa: E402
from storyteller import lay_out, tales, trained_tokenizer  # noqa: E402

BLOCKS, TEXTS = 4, 160


def config_of(hidden: int) -> Config:
    """Return the sizes of a decoder of so many channels."""
    heads = hidden // 64
    return Config(1024, hidden, 4 * hidden, BLOCKS, heads, heads)


def drawn(config: Config) -> dict[str, np.ndarray]:
    """Return weights for a decoder, by Hugging Face's names."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    net = LlamaForCausalLM(LlamaConfig(**config.to_json()))
    return {name: tensor.numpy() for name, tensor in net.state_dict().items()}


def module(folder: str, hidden: str) -> torch.nn.Module:
    """Return the decoder of a folder in PyTorch."""
    return llama_module(config_of(int(hidden)), weights_in(Path(folder) / "openvino_model.xml"))


def main() -> int:
    """Generate, train, and print what that took; return the exit code of the search."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hidden", type=int, default=2048)
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--out", type=Path, default=Path("out/wide"))
    asked = parser.parse_args()
    shutil.rmtree(asked.out, ignore_errors=True)
    folder, data = asked.out / "model", asked.out / "tales.jsonl"
    folder.mkdir(parents=True)
    try:
        config = config_of(asked.hidden)
        lay_out(folder, config, drawn(config), trained_tokenizer())
        # Texts of as many tales as there are, and no more than are needed.
        found = list(tales())
        rows = found[:: max(1, len(found) // TEXTS)]
        data.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
        size = (folder / "openvino_model.bin").stat().st_size / 1e6
        recipe = f"weights:bits=4,group_size=64,scale_estimation=true+train:trainer=by-block,seconds={asked.seconds}"
        command = [sys.executable, "-m", "ovquant", "quantize", folder, "--data", data, "--metric", "agreement"]
        command += ["--group-by", "tale", "--max-drop", "99%", "--optimize", "size", "--recipe", recipe]
        command += ["--module", f"{Path(__file__).resolve()}:module:folder={folder},hidden={asked.hidden}"]
        begin = time.monotonic()
        anonymous, resident, code = peak([*map(str, command), "-o", str(asked.out / "result")])
        taken = time.monotonic() - begin
        allowed = 1.5 * size + 1500
        print(
            f"{size:.0f} MB of weights: {anonymous:.0f} MB anonymous, {resident:.0f} MB resident, of {allowed:.0f} MB allowed; "
            f"{taken:.0f} s (exit {code})"
        )
        if not code:
            known = json.loads((asked.out / "result" / "result.json").read_text(encoding="utf-8"))
            print("\n".join(note for note in known["notes"] if "trained" in note))
        return code
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
