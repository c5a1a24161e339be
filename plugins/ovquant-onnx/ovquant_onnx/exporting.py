"""Export a result as ONNX with QuantizeLinear and DequantizeLinear."""

from dataclasses import dataclass
from pathlib import Path

from ovquant.errors import ModelError, UsageError

LARGEST_BYTES = 2**31 - 1
"""What one ONNX file can hold."""


@dataclass(frozen=True)
class Onnx:
    """Write the quantized model as one ONNX file, with the precision of every layer as it is in the plan.

    target: "onnxruntime", where integers and ranges are those of the result, or "tensorrt", where quantizers are widened
    to signed integers around zero with one scale for activations, as TensorRT asks for; what that costs in accuracy must
    be measured again. The compile properties have no place in the file.
    """

    target: str = "onnxruntime"

    def __post_init__(self) -> None:
        """Check the target."""
        if self.target not in ("onnxruntime", "tensorrt"):
            raise UsageError(f"Exporter 'onnx': target={self.target}; choose onnxruntime or tensorrt.")

    def export(self, folder: Path, target: Path) -> None:
        """Write the file. Raises ModelError for a model that ONNX or the target cannot hold."""
        import onnx
        import openvino

        from ovquant_onnx.rules import tensorrt_problems
        from ovquant_onnx.translating import translate

        made = translate(openvino.Core().read_model(folder / "model.xml"), symmetric=self.target == "tensorrt")
        try:
            onnx.checker.check_model(made)
        except onnx.checker.ValidationError as error:
            raise ModelError(f"The model cannot be written as ONNX: {error}") from error
        problems = tensorrt_problems(made) if self.target == "tensorrt" else []
        if problems:
            raise ModelError(f"TensorRT would not take the model: {'; '.join(problems)}.")
        if sum(len(tensor.raw_data) for tensor in made.graph.initializer) > LARGEST_BYTES:
            raise ModelError(f"The model has more than {LARGEST_BYTES} bytes, which one ONNX file cannot hold.")
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f"{target.name}.partial")
        onnx.save(made, partial)
        partial.replace(target)
