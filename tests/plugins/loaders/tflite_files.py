"""Small TensorFlow Lite files, written with flatbuffers and the schema of the `tflite` package."""

from pathlib import Path

import flatbuffers
import numpy as np
import tflite


def write_tflite(
    path: Path, weights: np.ndarray, bias: np.ndarray, *, size: int, scales: np.ndarray | None = None
) -> Path:
    """Write image[1,size,size,C] → Conv2D (same, ReLU) → features[1,size,size,O]; weights are [O,height,width,C].

    Weights are f32; or int8 codes beside their `scales` [O], as the converter's dynamic range writes them; or f16 before a
    Dequantize.
    """
    build = flatbuffers.Builder(1024)
    outputs, _, _, channels = weights.shape
    kind = {"f": tflite.TensorType.FLOAT32, "b": tflite.TensorType.INT8, "e": tflite.TensorType.FLOAT16}[
        weights.dtype.char
    ]
    buffers = [_buffer(build, data) for data in (b"", weights.tobytes(), bias.astype("<f4").tobytes())]
    tensors = [
        _tensor(build, "image", [1, size, size, channels], 0),
        _tensor(build, "weights", list(weights.shape), 1, kind, scales),
        _tensor(build, "bias", [outputs], 2),
        _tensor(build, "features", [1, size, size, outputs], 0),
    ]
    operators = [_convolution(build, [0, 1, 2])]
    codes = [_code(build, tflite.BuiltinOperator.CONV_2D, 5)]
    if kind == tflite.TensorType.FLOAT16:
        tensors.append(_tensor(build, "wide", list(weights.shape), 0))
        operators = [_operator(build, 1, [1], [4]), _convolution(build, [0, 4, 2])]
        codes.append(_code(build, tflite.BuiltinOperator.DEQUANTIZE, 3))
    graph = _subgraph(build, tensors, operators)
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


def _tensor(
    build: flatbuffers.Builder,
    name: str,
    shape: list[int],
    buffer: int,
    kind: int = tflite.TensorType.FLOAT32,
    scales: np.ndarray | None = None,
) -> int:
    text, sizes = build.CreateString(name), _integers(build, shape)
    quantization = None if scales is None else _quantization(build, scales)
    tflite.TensorStart(build)
    tflite.TensorAddName(build, text)
    tflite.TensorAddShape(build, sizes)
    tflite.TensorAddType(build, kind)
    tflite.TensorAddBuffer(build, buffer)
    if quantization is not None:
        tflite.TensorAddQuantization(build, quantization)
    return int(tflite.TensorEnd(build))


def _quantization(build: flatbuffers.Builder, scales: np.ndarray) -> int:
    factors = build.CreateNumpyVector(scales.astype("<f4"))
    zeros = build.CreateNumpyVector(np.zeros(len(scales), np.int64))
    tflite.QuantizationParametersStart(build)
    tflite.QuantizationParametersAddScale(build, factors)
    tflite.QuantizationParametersAddZeroPoint(build, zeros)
    return int(tflite.QuantizationParametersEnd(build))


def _convolution(build: flatbuffers.Builder, sources: list[int]) -> int:
    tflite.Conv2DOptionsStart(build)
    tflite.Conv2DOptionsAddPadding(build, tflite.Padding.SAME)
    tflite.Conv2DOptionsAddStrideH(build, 1)
    tflite.Conv2DOptionsAddStrideW(build, 1)
    tflite.Conv2DOptionsAddFusedActivationFunction(build, tflite.ActivationFunctionType.RELU)
    return _operator(build, 0, sources, [3], tflite.Conv2DOptionsEnd(build))


def _operator(
    build: flatbuffers.Builder, code: int, sources: list[int], results: list[int], options: int | None = None
) -> int:
    inputs, outputs = _integers(build, sources), _integers(build, results)
    tflite.OperatorStart(build)
    tflite.OperatorAddOpcodeIndex(build, code)
    tflite.OperatorAddInputs(build, inputs)
    tflite.OperatorAddOutputs(build, outputs)
    if options is not None:
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
