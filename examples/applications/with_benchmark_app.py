"""Time a result and its float model with OpenVINO's own benchmark_app, which comes with openvino, in turn.

    .venv/bin/python examples/applications/with_benchmark_app.py OUT MODEL [--data-shape "[1,3,48,320]"] [--static]

OUT is a folder that ovquant wrote, and MODEL the float model that it was made from. The shape is that of `make demo`; give
the one that the model was measured with, the batch included. A model whose shapes are dynamic stays so, as an application
gets it that reads the file and compiles it, unless --static asks for -shape instead of -data_shape.

benchmark_app sets a performance hint where it is given none, THROUGHPUT with -api async, its default, and LATENCY with -api
sync, and it feeds what it takes for an image as u8. So every run has -hint none, which leaves the properties to
`compile_model`, -api sync, which is one request after the other, and -ip with the type of the model's inputs. It reads
properties by device, {"CPU": {...}}: for -load_config the config of compile.json is written so. -hint none keeps its hint.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import openvino

PROGRAM = Path(sys.executable).with_name("benchmark_app")


def contenders(result: Path, model: Path, folder: Path) -> dict[str, list[str]]:
    """Return the arguments of each contender, the float model first."""
    serving = json.loads((result / "compile.json").read_text(encoding="utf-8"))
    device, properties = serving["device"], serving["config"]
    config = folder / "config.json"
    config.write_text(json.dumps({device: properties}), encoding="utf-8")
    quantized = ["-m", str(result / "model.xml"), "-d", device]
    return {
        "float, no properties": ["-m", str(model), "-d", device],
        "quantized, no properties": quantized,
        "quantized, compile.json": [*quantized, "-load_config", str(config)],
    }


def input_types(model: Path) -> list[str]:
    """Return the argument that keeps the inputs' own types."""
    types = {port.get_element_type().get_type_name() for port in openvino.Core().read_model(model).inputs}
    return ["-ip", types.pop()] if len(types) == 1 else []


def median(arguments: list[str], folder: Path) -> tuple[float, str]:
    """Run benchmark_app once and return the median latency in milliseconds and what the model was compiled with."""
    report = ["-report_type", "no_counters", "-report_folder", str(folder), "-json_stats"]
    command = [str(PROGRAM), *arguments, "-hint", "none", "-api", "sync", *report]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"benchmark_app failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    lines = [line.removeprefix("[ INFO ]").strip() for line in done.stdout.splitlines()]
    telling = ("PERFORMANCE_HINT:", "INFERENCE_PRECISION_HINT:", "NUM_STREAMS:", "INFERENCE_NUM_THREADS:")
    written = json.loads((folder / "benchmark_report.json").read_text(encoding="utf-8"))
    compiled = ", ".join(line for line in lines if line.startswith(telling))
    return float(written["execution_results"]["latency (ms)"]), compiled


def main() -> None:
    """Time the contenders in turn and print each round and the ratio of the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("result", type=Path, help="the folder that ovquant wrote")
    parser.add_argument("model", type=Path, help="the float model")
    parser.add_argument("--data-shape", default="[1,3,48,320]")
    parser.add_argument("--static", action="store_true", help="fix the shape before compiling")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=10, help="how long each run lasts")
    asked = parser.parse_args()
    shape = ["-shape" if asked.static else "-data_shape", asked.data_shape, "-t", str(asked.seconds)]
    with tempfile.TemporaryDirectory() as name:
        runs = contenders(asked.result, asked.model, Path(name))
        shape += input_types(asked.model)
        print(f"{'median ms, -api sync':22}" + "".join(f"{kind:>26}" for kind in runs))
        rows, said = [], {}
        for number in range(asked.rounds):
            row = []
            for kind, arguments in runs.items():
                found, said[kind] = median([*arguments, *shape], Path(name))
                row.append(found)
            rows.append(row)
            print(f"{f'round {number + 1}':22}" + "".join(f"{value:26.2f}" for value in row), flush=True)
    medians = np.array(rows)
    each = medians[:, :1] / medians
    ratios = np.median(medians, axis=0)[0] / np.median(medians, axis=0)
    print(f"{'median of the rounds':22}" + "".join(f"{value:26.2f}" for value in np.median(medians, axis=0)))
    print(f"{'times faster':22}" + "".join(f"{value:26.2f}" for value in ratios))
    spread = [f"{low:.2f} to {high:.2f}" for low, high in zip(each.min(axis=0), each.max(axis=0), strict=True)]
    print(f"{'  of the rounds':22}" + "".join(f"{value:>26}" for value in spread))
    print("\n".join(f"{kind}: {text}" for kind, text in said.items()))


if __name__ == "__main__":
    main()
