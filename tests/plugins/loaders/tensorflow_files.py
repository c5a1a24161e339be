"""Small TensorFlow graphs and SavedModels, as tensorflow would write them (fields of its public .proto files)."""

from pathlib import Path

import numpy as np

from tests.plugins.loaders.wire import blob, entry, joined, number

FLOAT = 1  # DT_FLOAT


def shape(sizes: list[int]) -> bytes:
    """TensorShapeProto; -1 is unknown."""
    return joined(blob(2, number(1, size)) for size in sizes)


def node(name: str, operation: str, inputs: list[str], attributes: dict[str, bytes]) -> bytes:
    """NodeDef, as a field of GraphDef."""
    body = blob(1, name) + blob(2, operation) + joined(blob(3, item) for item in inputs)
    return blob(1, body + joined(entry(5, key, value) for key, value in attributes.items()))


def graph(weights: np.ndarray) -> bytes:
    """GraphDef: x[?,n] times weights[n,m] → y."""
    tensor = number(1, FLOAT) + blob(2, shape(list(weights.shape))) + blob(4, weights.astype("<f4").tobytes())
    dtype = number(6, FLOAT)
    return joined(
        [
            node("x", "Placeholder", [], {"dtype": dtype, "shape": blob(7, shape([-1, weights.shape[0]]))}),
            node("w", "Const", [], {"dtype": dtype, "value": blob(8, tensor)}),
            node("y", "MatMul", ["x", "w"], {"T": dtype}),
            blob(4, number(1, 1087)),
        ]
    )


def write_saved_model(folder: Path, weights: np.ndarray) -> Path:
    """Write saved_model.pb with the serving signature image → scores."""
    rows, columns = weights.shape
    signature = (
        entry(1, "image", blob(1, "x:0") + number(2, FLOAT) + blob(3, shape([-1, rows])))
        + entry(2, "scores", blob(1, "y:0") + number(2, FLOAT) + blob(3, shape([-1, columns])))
        + blob(3, "tensorflow/serving/predict")
    )
    meta = blob(1, blob(4, "serve")) + blob(2, graph(weights)) + entry(5, "serving_default", signature)
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(number(1, 1) + blob(2, meta))
    return folder
