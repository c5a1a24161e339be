"""Eight threads at a guarded model and at its float model; print what of all that was passed in has changed, as JSON."""

import json
import sys
import threading
from typing import Any

import numpy as np
import openvino
from openvino import opset13 as ops

import ovquant

WEIGHTS = np.random.default_rng(3).standard_normal((64, 8)).astype(np.float32)
FACTOR = np.float32(1.001)
"""By how much the quantized model is off."""


def net(factor: np.float32, device: str, **properties: str) -> openvino.CompiledModel:
    port = ops.parameter([-1, 64], np.float32)
    port.output(0).get_tensor().set_names({"x"})
    model = openvino.Model([ops.matmul(port, ops.constant(WEIGHTS * factor), False, False)], [port], "net")
    return openvino.Core().compile_model(model, device, properties)


def rows(seed: int, count: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, 64)).astype(np.float32)


def work(number: int, guarded: Any, reference: Any, problems: list[str]) -> None:
    """Ask in turn by a call, by a request that copies, by the float model sharing, and asynchronously."""
    asked, plain = guarded.create_infer_request(), reference.create_infer_request()
    for turn in range(150):
        given = rows(1000 * number + turn, 1 + turn % 3)
        kept, how, factor = given.copy(), (turn + number) % 4, FACTOR
        if how == 0:
            found = guarded(given)[0]
        elif how == 1:
            found = asked.infer({"x": given})[0]
        elif how == 2:
            # openvino's own call has one request for all threads.
            found = (reference(given) if number == 0 else plain.infer(given, share_inputs=True))[0]
            factor = np.float32(1)
        else:
            asked.start_async(given)
            asked.wait()
            found = asked.get_output_tensor().data.copy()
        if not np.array_equal(given, kept):
            problems.append(f"the input of turn {turn} changed, asked in way {how}")
        if found.shape != (len(kept), 8) or not np.allclose(found, kept @ WEIGHTS * factor, atol=1e-3):
            problems.append(f"the answer of turn {turn} is wrong, asked in way {how}")


def main(device: str, streams: str) -> None:
    f32 = {"INFERENCE_PRECISION_HINT": "f32"}
    precise = {**f32, "NUM_STREAMS": streams}
    reference = net(np.float32(1), device, **(precise if device == "CPU" else f32))
    data = [ovquant.Sample(rows(seed)[0]) for seed in range(40)]
    before = [np.array(sample.inputs) for sample in data]
    guarded = ovquant.guard(net(FACTOR, "CPU", **precise), reference, data=data, share=1.0, action=lambda _: None)
    problems = list[str]()
    threads = [threading.Thread(target=work, args=(place, guarded, reference, problems)) for place in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    guarded.guard.close()
    problems += [
        f"sample {place} changed"
        for place, (sample, old) in enumerate(zip(data, before, strict=True))
        if not np.array_equal(np.asarray(sample.inputs), old)
    ]
    compared, mean = guarded.guard.drift.count, guarded.guard.drift.mean
    print(json.dumps({"problems": problems, "compared": compared, "mean": mean}))


if __name__ == "__main__":
    main(*sys.argv[1:])
