"""Write a chain of convolutions, poolings and a dense layer as a TensorFlow Lite file, with the schema of the `tflite` package."""

from pathlib import Path

import flatbuffers
import numpy as np
import tflite
from torch import nn

CONVOLUTION, POOL, RESHAPE, DENSE = range(4)
CODES = (
    (tflite.BuiltinOperator.CONV_2D, 3),
    (tflite.BuiltinOperator.MAX_POOL_2D, 1),
    (tflite.BuiltinOperator.RESHAPE, 1),
    (tflite.BuiltinOperator.FULLY_CONNECTED, 1),
)


class Writer:
    """A flatbuffer under construction: buffers, tensors and operators in the order they were added."""

    def __init__(self) -> None:
        self.build = flatbuffers.Builder(1 << 20)
        self.buffers = [self._buffer(b"")]
        self.tensors: list[int] = []
        self.operators: list[int] = []

    def tensor(self, name: str, shape: list[int], data: np.ndarray | None = None) -> int:
        """Add a tensor, with its values if constant, and return its number."""
        kind = tflite.TensorType.FLOAT32
        buffer = 0
        if data is not None:
            kind = tflite.TensorType.INT32 if data.dtype.kind == "i" else kind
            self.buffers.append(self._buffer(np.ascontiguousarray(data).tobytes()))
            buffer = len(self.buffers) - 1
        text, sizes = self.build.CreateString(name), self._integers(shape)
        tflite.TensorStart(self.build)
        tflite.TensorAddName(self.build, text)
        tflite.TensorAddShape(self.build, sizes)
        tflite.TensorAddType(self.build, kind)
        tflite.TensorAddBuffer(self.build, buffer)
        self.tensors.append(tflite.TensorEnd(self.build))
        return len(self.tensors) - 1

    def operator(self, code: int, inputs: list[int], output: int, kind: int, options: int) -> None:
        """Add an operator."""
        sources, results = self._integers(inputs), self._integers([output])
        tflite.OperatorStart(self.build)
        tflite.OperatorAddOpcodeIndex(self.build, code)
        tflite.OperatorAddInputs(self.build, sources)
        tflite.OperatorAddOutputs(self.build, results)
        tflite.OperatorAddBuiltinOptionsType(self.build, kind)
        tflite.OperatorAddBuiltinOptions(self.build, options)
        self.operators.append(tflite.OperatorEnd(self.build))

    def finish(self, first: int, last: int) -> bytes:
        """Return the file with one graph from the first tensor to the last."""
        parts = [
            self._vector(self.tensors),
            self._vector(self.operators),
            self._integers([first]),
            self._integers([last]),
        ]
        tflite.SubGraphStart(self.build)
        tflite.SubGraphAddTensors(self.build, parts[0])
        tflite.SubGraphAddOperators(self.build, parts[1])
        tflite.SubGraphAddInputs(self.build, parts[2])
        tflite.SubGraphAddOutputs(self.build, parts[3])
        graph = tflite.SubGraphEnd(self.build)
        vectors = [self._vector(items) for items in (self.buffers, [graph], [self._code(*code) for code in CODES])]
        tflite.ModelStart(self.build)
        tflite.ModelAddVersion(self.build, 3)
        tflite.ModelAddBuffers(self.build, vectors[0])
        tflite.ModelAddSubgraphs(self.build, vectors[1])
        tflite.ModelAddOperatorCodes(self.build, vectors[2])
        self.build.Finish(tflite.ModelEnd(self.build), b"TFL3")
        return bytes(self.build.Output())

    def _code(self, operator: int, version: int) -> int:
        tflite.OperatorCodeStart(self.build)
        tflite.OperatorCodeAddDeprecatedBuiltinCode(self.build, operator)
        tflite.OperatorCodeAddBuiltinCode(self.build, operator)
        tflite.OperatorCodeAddVersion(self.build, version)
        return tflite.OperatorCodeEnd(self.build)

    def _buffer(self, data: bytes) -> int:
        content = self.build.CreateByteVector(data) if data else None
        tflite.BufferStart(self.build)
        if content is not None:
            tflite.BufferAddData(self.build, content)
        return tflite.BufferEnd(self.build)

    def _integers(self, values: list[int]) -> int:
        return self.build.CreateNumpyVector(np.array(values, np.int32))

    def _vector(self, offsets: list[int]) -> int:
        self.build.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self.build.PrependUOffsetTRelative(offset)
        return self.build.EndVector()


def write(path: Path, net: nn.Sequential, *, size: int, channels: int) -> Path:
    """Write convolutions of stride 1 with ReLU, 2x2 poolings, a flattening and a dense layer; NHWC, batch 1."""
    writer = Writer()
    first = current = writer.tensor("image", [1, size, size, channels])
    for number, layer in enumerate(net):
        if isinstance(layer, nn.Conv2d):
            channels = layer.out_channels
            current = _convolution(writer, layer, current, size, number)
        elif isinstance(layer, nn.MaxPool2d):
            size //= 2
            current = _pool(writer, current, [1, size, size, channels], number)
        elif isinstance(layer, nn.Linear):
            current = _dense(writer, layer, current, (size, channels))
    path.write_bytes(writer.finish(first, current))
    return path


def _convolution(writer: Writer, layer: nn.Conv2d, source: int, size: int, number: int) -> int:
    kernel = layer.weight.detach().numpy().transpose(0, 2, 3, 1)
    weights = writer.tensor(f"weights{number}", list(kernel.shape), kernel)
    bias = writer.tensor(f"bias{number}", [layer.out_channels], layer.bias.detach().numpy())
    output = writer.tensor(f"features{number}", [1, size, size, layer.out_channels])
    tflite.Conv2DOptionsStart(writer.build)
    tflite.Conv2DOptionsAddPadding(writer.build, tflite.Padding.SAME)
    tflite.Conv2DOptionsAddStrideH(writer.build, 1)
    tflite.Conv2DOptionsAddStrideW(writer.build, 1)
    tflite.Conv2DOptionsAddFusedActivationFunction(writer.build, tflite.ActivationFunctionType.RELU)
    options = tflite.Conv2DOptionsEnd(writer.build)
    writer.operator(CONVOLUTION, [source, weights, bias], output, tflite.BuiltinOptions.Conv2DOptions, options)
    return output


def _pool(writer: Writer, source: int, shape: list[int], number: int) -> int:
    output = writer.tensor(f"pooled{number}", shape)
    tflite.Pool2DOptionsStart(writer.build)
    tflite.Pool2DOptionsAddPadding(writer.build, tflite.Padding.VALID)
    tflite.Pool2DOptionsAddStrideH(writer.build, 2)
    tflite.Pool2DOptionsAddStrideW(writer.build, 2)
    tflite.Pool2DOptionsAddFilterHeight(writer.build, 2)
    tflite.Pool2DOptionsAddFilterWidth(writer.build, 2)
    options = tflite.Pool2DOptionsEnd(writer.build)
    writer.operator(POOL, [source], output, tflite.BuiltinOptions.Pool2DOptions, options)
    return output


def _dense(writer: Writer, layer: nn.Linear, source: int, shape: tuple[int, int]) -> int:
    size, channels = shape
    flat = writer.tensor("flat", [1, layer.in_features])
    target = writer.tensor("flat_shape", [2], np.array([1, layer.in_features], np.int32))
    tflite.ReshapeOptionsStart(writer.build)
    writer.operator(
        RESHAPE, [source, target], flat, tflite.BuiltinOptions.ReshapeOptions, tflite.ReshapeOptionsEnd(writer.build)
    )
    # TFLite flattens with channels last, the net with channels first.
    matrix = (
        layer.weight.detach()
        .numpy()
        .reshape(-1, channels, size, size)
        .transpose(0, 2, 3, 1)
        .reshape(layer.out_features, -1)
    )
    weights = writer.tensor("dense_weights", list(matrix.shape), matrix)
    bias = writer.tensor("dense_bias", [layer.out_features], layer.bias.detach().numpy())
    output = writer.tensor("scores", [1, layer.out_features])
    tflite.FullyConnectedOptionsStart(writer.build)
    options = tflite.FullyConnectedOptionsEnd(writer.build)
    writer.operator(DENSE, [flat, weights, bias], output, tflite.BuiltinOptions.FullyConnectedOptions, options)
    return output
