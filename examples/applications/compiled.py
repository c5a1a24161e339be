"""Every way in which applications compile a model, and what `ovquant.Core` serves for it, as a Markdown table.

    python examples/applications/compiled.py [STORE]

STORE holds the result of `make demo` (out/ by default, whose folder `demo` that is).
"""

import sys
import tempfile
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from openvino.preprocess import PrePostProcessor, ResizeAlgorithm

import ovquant
from ovquant.demo.fetch import recogniser

SHAPE = [1, 3, 48, 320]


def processed(model: openvino.Model) -> openvino.Model:
    """Put the steps around the recogniser that an application with a camera has: u8 NHWC of any size, mean and scale."""
    processor = PrePostProcessor(model)
    tensor = processor.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    tensor.set_spatial_dynamic_shape()
    processor.input().model().set_layout(openvino.Layout("NCHW"))
    steps = processor.input().preprocess().convert_element_type(openvino.Type.f32)
    steps.resize(ResizeAlgorithm.RESIZE_LINEAR).mean([127.5] * 3).scale([127.5] * 3)
    return processor.build()


def ways(core: ovquant.Core, folder: Path) -> dict[str, Callable[[], Any]]:
    """Return each way, which gives a compiled model."""
    path = recogniser()

    def read() -> openvino.Model:
        return core.read_model(path)

    def reshaped() -> openvino.Model:
        model = read()
        model.reshape(SHAPE)
        return model

    def watched() -> openvino.Model:
        model = read()
        inner = next(operation for operation in model.get_ordered_ops() if operation.get_type_name() == "Convolution")
        model.add_outputs(inner.output(0))
        return model

    def through_threads() -> openvino.CompiledModel:
        model = reshaped()
        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(lambda _: core.compile_model(model, "CPU"), range(8)))[-1]

    def imported() -> openvino.CompiledModel:
        blob = core.compile_model(reshaped(), "CPU").export_model()
        return core.import_model(blob, "CPU")

    def queued() -> openvino.CompiledModel:
        compiled = core.compile_model(reshaped(), "CPU")
        queue = ovquant.AsyncInferQueue(compiled, 2)
        queue.start_async([np.zeros(SHAPE, np.float32)])
        queue.wait_all()
        return compiled

    devices = ("AUTO", "AUTO:CPU", "MULTI:CPU", "HETERO:CPU", "BATCH:CPU")
    return {
        "a path": lambda: core.compile_model(path, "CPU"),
        "`core.read_model(path)`": lambda: core.compile_model(read(), "CPU"),
        "no device": lambda: core.compile_model(reshaped()),
        **{f"`{device}`": lambda device=device: core.compile_model(reshaped(), device) for device in devices},
        "`model.reshape`": lambda: core.compile_model(reshaped(), "CPU"),
        "`CACHE_DIR`": lambda: core.compile_model(reshaped(), "CPU", {"CACHE_DIR": str(folder)}),
        "8 threads": through_threads,
        "`export_model`, `import_model`": imported,
        "`AsyncInferQueue`": queued,
        "`PrePostProcessor`: u8, NHWC, resize, mean, scale": lambda: core.compile_model(processed(reshaped()), "CPU"),
        "`model.add_outputs`": lambda: core.compile_model(watched(), "CPU"),
    }


def main() -> None:
    """Print the table."""
    store = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("out")
    print("| what the application compiles | what is served |\n| --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for name, compile_model in ways(ovquant.Core(store=store), Path(folder)).items():
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                compiled = compile_model()
            served = "the quantized model" if "[int8" in compiled.get_property("NETWORK_NAME") else "float"
            reasons = [str(item.message) for item in caught if item.category is ovquant.NotServedWarning]
            print(f"| {name} | {served}{''.join(f': {reason}' for reason in reasons)} |")


if __name__ == "__main__":
    main()
