"""Quantize, score and run ONNX models with onnxruntime; it is imported only when one is asked for."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

BLOCK = 32
THREADS = 2
AXES_SINCE = 13
"""The operator set from which on a DequantizeLinear can have a scale per channel."""


def library() -> Any:
    """Import onnxruntime, or end with what to install."""
    try:
        import onnx  # noqa: F401
        import onnxruntime
    except ImportError as error:
        raise SystemExit(f"The ort contenders need two packages ({error}): pip install onnxruntime onnx") from error
    return onnxruntime


def quantize(
    source: Path, target: Path, samples: Iterable[Any], ports: Sequence[Any], *, method: str = "MinMax"
) -> None:
    """Quantize statically to QDQ with onnxruntime's defaults, weights per channel as NNCF's are.

    ports: the float model's inputs as openvino sees them, which samples are fitted to. method: how ranges are found: MinMax,
    Percentile or Entropy.
    """
    library()
    from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, quantize_static

    from ovquant.runtime import fit

    prepared = _prepared(source, target.with_name("prepared.onnx"))
    names = _input_names(prepared)

    class Reader(CalibrationDataReader):
        """Hand out the samples one by one."""

        def __init__(self) -> None:
            self._rows: Iterator[Any] = (dict(zip(names, fit(ports, item), strict=True)) for item in samples)

        def get_next(self) -> dict[str, np.ndarray] | None:
            """Return the next sample, or None after the last."""
            return next(self._rows, None)

    # Without CalibMaxIntermediateOutputs: in onnxruntime 1.32 it forgets all samples but the last few.
    options = {"quant_format": QuantFormat.QDQ, "per_channel": True, "calibrate_method": CalibrationMethod[method]}
    quantize_static(prepared, target, Reader(), **options)
    prepared.unlink()
    OnnxModel(target)  # raises where what was written cannot be loaded


def _prepared(source: Path, target: Path) -> Path:
    """Write the model as onnxruntime wants it before quantization: operators that know axes, shapes, fusions."""
    import onnx
    from onnxruntime.quantization.shape_inference import quant_pre_process

    model = onnx.load(source)
    if next(item.version for item in model.opset_import if item.domain in ("", "ai.onnx")) < AXES_SINCE:
        model = onnx.version_converter.convert_version(model, AXES_SINCE)
    try:
        quant_pre_process(model, str(target))
    except Exception as error:
        # Its symbolic shape inference fails on some models, and leaves a file behind; onnx's own is left.
        print(f"symbolic shape inference fails on {source.name}, and is left out: {error}")
        Path("sym_shape_infer_temp.onnx").unlink(missing_ok=True)
        quant_pre_process(model, str(target), skip_symbolic_shape=True)
    return target


def _input_names(path: Path) -> list[str]:
    return [item.name for item in library().InferenceSession(str(path)).get_inputs()]


class OnnxModel:
    """An ONNX model that can be run, and timed beside compiled models of openvino."""

    def __init__(self, path: Path) -> None:
        options = library().SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = THREADS, 3
        # Threads that wait busily would slow down whatever is timed next.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = library().InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._inputs = [item.name for item in self._session.get_inputs()]
        self.outputs = [item.name for item in self._session.get_outputs()]

    def create_infer_request(self) -> "OnnxModel":
        """Return what the interleaved timing calls `infer` on."""
        return self

    def query_state(self) -> list[object]:
        """Return no states: ONNX Runtime keeps none."""
        return []

    def infer(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the outputs of one request."""
        return list(self._session.run(None, dict(zip(self._inputs, arrays, strict=True))))


def score(model: OnnxModel, data: Any, metric: Any, ports: Sequence[Any]) -> list[float]:
    """Return the metric's item of every sample, for metrics that are a mean over samples.

    ports: the float model's inputs as openvino sees them, which samples are fitted to.
    """
    from ovquant.runtime import Block, fit

    items: list[float] = []
    for begin in range(0, len(data), BLOCK):
        indices = list(range(begin, min(begin + BLOCK, len(data))))
        samples = [data[index] for index in indices]
        outputs = [dict(zip(model.outputs, model.infer(fit(ports, item)), strict=True)) for item in samples]
        # Each request is of one sample, so what has one row has a row for each sample.
        batched = frozenset(name for name in model.outputs if all(len(each[name]) == 1 for each in outputs))
        block = Block(indices, outputs, [sample.target for sample in samples], batched)
        items += [float(item) for item in metric.measure(block.stacked(), block.targets)]
    return items
