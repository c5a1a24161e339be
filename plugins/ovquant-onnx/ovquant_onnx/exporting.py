"""Export a result as ONNX with QuantizeLinear and DequantizeLinear."""

import tempfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from ovquant.errors import ModelError, OutputError, UsageError

if TYPE_CHECKING:
    import onnx

SUM = "ovquant.sha256"
"""The metadata that holds the checksum of all else in the file."""

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
        if target.exists() and not self.wrote(target):
            raise OutputError(
                f"'{target}' was not written by ovquant, which replaces nothing else. Give another with -o."
            )
        onnx.helper.set_model_props(made, {SUM: checksum(made)})
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as scratch:
            onnx.save(made, Path(scratch) / target.name)
            (Path(scratch) / target.name).replace(target)

    def wrote(self, target: Path) -> bool:
        """Tell whether a file is such an export, and nobody has changed it since."""
        import onnx

        try:
            made = onnx.load(target)
        except Exception:  # what is no ONNX fails in ways of protobuf's
            return False
        known = {item.key: item.value for item in made.metadata_props}
        # Files of earlier versions have no checksum.
        return bool(made.producer_name == "ovquant") and known.get(SUM, checksum(made)) == checksum(made)


def checksum(made: "onnx.ModelProto") -> str:
    """Return a checksum of a model, its own entry in the metadata left out."""
    bare = type(made)()
    bare.CopyFrom(made)
    kept = [item for item in bare.metadata_props if item.key != SUM]
    del bare.metadata_props[:]
    bare.metadata_props.extend(kept)
    return sha256(bare.SerializeToString(deterministic=True)).hexdigest()
