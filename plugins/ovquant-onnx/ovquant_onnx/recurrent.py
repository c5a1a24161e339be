"""Recurrent layers, whose gates and axes ONNX has in another order."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ovquant_onnx.operation import Operation

GATES = {"LSTMSequence": (1, 3, 0, 2), "GRUSequence": (0, 1, 2), "RNNSequence": (0,)}
"""Where each gate of ONNX (LSTM: input, output, forget, cell; GRU: update, reset, hidden) is in openvino's order."""


def sequence(operation: Operation) -> None:
    """Write an LSTM, a GRU or a plain recurrent layer over a sequence."""
    kind, writer = operation.kind.removesuffix("Sequence"), operation.writer
    attributes, cell = operation.attributes, operation.kind == "LSTMSequence"
    if float(attributes.get("clip", 0)) > 0:
        operation.refuse("it clips")
    # X and the states have the batch first here, and the sequence or the directions first there.
    value, *states = (_swapped(operation, place) for place in ((0, 1, 2) if cell else (0, 1)))
    lengths, first = (3, 4) if cell else (2, 3)
    given = [value, *_weights(operation, first), _lengths(operation, lengths), *states]
    how: dict[str, Any] = {
        "hidden_size": int(attributes["hidden_size"]),
        "direction": str(attributes["direction"]).lower(),
        "activations": _activations(operation),
    }
    if kind == "GRU":
        how["linear_before_reset"] = int(attributes["linear_before_reset"])
    count = 3 if cell else 2
    raw = [writer.new_name(f"{kind}/raw") for _ in range(count)]
    writer.emit_all(kind, *given, outputs=raw, **how)
    # Y: [sequence, directions, batch, hidden] there, [batch, directions, sequence, hidden] here.
    for place, name in enumerate(raw):
        order = [2, 1, 0, 3] if place == 0 else [1, 0, 2]
        operation.put(writer.emit("Transpose", name, name=operation.name(place), perm=order), place)


def _swapped(operation: Operation, place: int) -> str:
    return operation.writer.emit("Transpose", operation.input(place), perm=[1, 0, 2])


def _weights(operation: Operation, first: int) -> list[str]:
    """Return input weights, recurrent weights and biases with their gates in ONNX's order."""
    gates = GATES[operation.kind]
    names = []
    for place in (first, first + 1):
        weights = operation.weights(place)
        if weights is None:
            names.append(operation.writer.constant(_reordered(operation.known(place), gates)))
            continue
        size = weights.integers.shape[1]
        turned = weights.indexed(1, _order(size, gates), size)
        names.append(turned.write(operation.writer, operation.sources[place].get_node().get_friendly_name()))
    return [*names, operation.writer.constant(_biases(operation, first + 2, gates))]


def _biases(operation: Operation, place: int, gates: Sequence[int]) -> Any:
    """Return the biases of the inputs and of the recurrence, which openvino keeps as one where they are only added."""
    biases = operation.known(place)
    if operation.kind == "GRUSequence" and operation.attributes["linear_before_reset"]:
        update, reset, hidden, recurrent = np.split(biases, 4, axis=1)
        nothing = np.zeros_like(update)
        return np.concatenate([update, reset, hidden, nothing, nothing, recurrent], axis=1)
    turned = _reordered(biases, gates)
    return np.concatenate([turned, np.zeros_like(turned)], axis=1)


def _reordered(values: Any, gates: Sequence[int]) -> Any:
    return values[:, _order(values.shape[1], gates)]


def _order(size: int, gates: Sequence[int]) -> Any:
    return np.arange(size).reshape(len(gates), -1)[list(gates)].reshape(-1)


def _lengths(operation: Operation, place: int) -> str:
    values, length = operation.array(place), operation.size(0, 1)
    if values is not None and length is not None and (values == length).all():
        return ""
    return operation.writer.emit("Cast", operation.input(place), to=6)


def _activations(operation: Operation) -> list[str] | None:
    """Return the functions of the gates for each direction; none where they are the usual ones."""
    names = [str(name) for name in operation.attributes.get("activations", ())]
    if operation.attributes.get("activations_alpha") or operation.attributes.get("activations_beta"):
        operation.refuse("its activations have parameters")
    written = {"sigmoid": "Sigmoid", "tanh": "Tanh", "relu": "Relu"}
    if any(name not in written for name in names):
        operation.refuse(f"its activations are {', '.join(names)}")
    directions = 2 if str(operation.attributes["direction"]).lower() == "bidirectional" else 1
    return [written[name] for name in names] * directions or None


OPERATIONS = dict.fromkeys(GATES, sequence)
