"""Small TensorFlow Lite files, written with flatbuffers and the schema of the `tflite` package."""

from pathlib import Path

import flatbuffers
import numpy as np
import tflite


def write_tflite(path: Path, weights: np.ndarray, bias: np.ndarray, *, size: int) -> Path:
    """Write image[1,size,size,C] → Conv2D (same, ReLU) → features[1,size,size,O]; weights are [O,height,width,C]."""
    build = flatbuffers.Builder(1024)
    outputs, _, _, channels = weights.shape
    buffers = [_buffer(build, data) for data in (b"", weights.astype("<f4").tobytes(), bias.astype("<f4").tobytes())]
    tensors = [
        _tensor(build, "image", [1, size, size, channels], 0),
        _tensor(build, "weights", list(weights.shape), 1),
        _tensor(build, "bias", [outputs], 2),
        _tensor(build, "features", [1, size, size, outputs], 0),
    ]
    operators = [_convolution(build)]
    graph = _subgraph(build, tensors, operators)
    codes = [_code(build, tflite.BuiltinOperator.CONV_2D, 3)]
    vectors = [_vector(build, items) for items in (buffers, [graph], codes)]
    tflite.ModelStart(build)
    tflite.ModelAddVersion(build, 3)
    tflite.ModelAddBuffers(build, vectors[0])
    tflite.ModelAddSubgraphs(build, vectors[1])
    tflite.ModelAddOperatorCodes(build, vectors[2])
    build.Finish(tflite.ModelEnd(build), b"TFL3")
    path.write_bytes(bytes(build.Output()))
    return path


def _vector(build: flatbuffers.Builder, offsets: list[int]) -> int:
    build.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        build.PrependUOffsetTRelative(offset)
    return int(build.EndVector())


def _integers(build: flatbuffers.Builder, values: list[int]) -> int:
    return int(build.CreateNumpyVector(np.array(values, np.int32)))


def _buffer(build: flatbuffers.Builder, data: bytes) -> int:
    content = build.CreateByteVector(data) if data else None
    tflite.BufferStart(build)
    if content is not None:
        tflite.BufferAddData(build, content)
    return int(tflite.BufferEnd(build))


def _tensor(build: flatbuffers.Builder, name: str, shape: list[int], buffer: int) -> int:
    text, sizes = build.CreateString(name), _integers(build, shape)
    tflite.TensorStart(build)
    tflite.TensorAddName(build, text)
    tflite.TensorAddShape(build, sizes)
    tflite.TensorAddType(build, tflite.TensorType.FLOAT32)
    tflite.TensorAddBuffer(build, buffer)
    return int(tflite.TensorEnd(build))


def _convolution(build: flatbuffers.Builder) -> int:
    inputs, outputs = _integers(build, [0, 1, 2]), _integers(build, [3])
    tflite.Conv2DOptionsStart(build)
    tflite.Conv2DOptionsAddPadding(build, tflite.Padding.SAME)
    tflite.Conv2DOptionsAddStrideH(build, 1)
    tflite.Conv2DOptionsAddStrideW(build, 1)
    tflite.Conv2DOptionsAddFusedActivationFunction(build, tflite.ActivationFunctionType.RELU)
    options = tflite.Conv2DOptionsEnd(build)
    tflite.OperatorStart(build)
    tflite.OperatorAddOpcodeIndex(build, 0)
    tflite.OperatorAddInputs(build, inputs)
    tflite.OperatorAddOutputs(build, outputs)
    tflite.OperatorAddBuiltinOptionsType(build, tflite.BuiltinOptions.Conv2DOptions)
    tflite.OperatorAddBuiltinOptions(build, options)
    return int(tflite.OperatorEnd(build))


def _subgraph(build: flatbuffers.Builder, tensors: list[int], operators: list[int]) -> int:
    parts = _vector(build, tensors), _vector(build, operators), _integers(build, [0]), _integers(build, [3])
    tflite.SubGraphStart(build)
    tflite.SubGraphAddTensors(build, parts[0])
    tflite.SubGraphAddOperators(build, parts[1])
    tflite.SubGraphAddInputs(build, parts[2])
    tflite.SubGraphAddOutputs(build, parts[3])
    return int(tflite.SubGraphEnd(build))


def _code(build: flatbuffers.Builder, operator: int, version: int) -> int:
    tflite.OperatorCodeStart(build)
    tflite.OperatorCodeAddDeprecatedBuiltinCode(build, operator)
    tflite.OperatorCodeAddBuiltinCode(build, operator)
    tflite.OperatorCodeAddVersion(build, version)
    return int(tflite.OperatorCodeEnd(build))
