"""Operations that combine elements along axes: sums, norms, normalization, sorting."""

from onnx import TensorProto

from ovquant_onnx.operation import Operation

REDUCTIONS = {
    "ReduceL1": "ReduceL1",
    "ReduceL2": "ReduceL2",
    "ReduceMax": "ReduceMax",
    "ReduceMean": "ReduceMean",
    "ReduceMin": "ReduceMin",
    "ReduceProd": "ReduceProd",
    "ReduceSum": "ReduceSum",
}


def reduction(operation: Operation) -> None:
    """Write a reduction along axes; none reduces nothing."""
    how = {"keepdims": int(operation.attributes["keep_dims"]), "noop_with_empty_axes": 1}
    operation.emit(REDUCTIONS[operation.kind], operation.input(0), operation.longs(1), **how)


def logical_reduction(operation: Operation) -> None:
    """Write all and any, as the smallest and the largest of zeros and ones."""
    kind = {"ReduceLogicalAnd": "ReduceMin", "ReduceLogicalOr": "ReduceMax"}[operation.kind]
    number = operation.writer.emit("Cast", operation.input(0), to=TensorProto.INT32)
    keep = int(operation.attributes["keep_dims"])
    found = operation.writer.emit(kind, number, operation.longs(1), keepdims=keep, noop_with_empty_axes=1)
    operation.emit("Cast", found, to=TensorProto.BOOL)


def mean_variance_normalization(operation: Operation) -> None:
    """Write (x - mean) / sqrt(variance + eps) along axes."""
    value, axes, writer = operation.input(0), operation.longs(1), operation.writer
    mean = writer.emit("ReduceMean", value, axes, keepdims=1)
    if not operation.attributes["normalize_variance"]:
        operation.emit("Sub", value, mean)
        return
    centred = writer.emit("Sub", value, mean)
    variance = writer.emit("ReduceMean", writer.emit("Mul", centred, centred), axes, keepdims=1)
    small = operation.scalar(float(operation.attributes["eps"]))
    if str(operation.attributes["eps_mode"]).lower() == "inside_sqrt":
        deviation = writer.emit("Sqrt", writer.emit("Add", variance, small))
    else:
        deviation = writer.emit("Add", writer.emit("Sqrt", variance), small)
    operation.emit("Div", centred, deviation)


def normalize_l2(operation: Operation) -> None:
    """Write x / sqrt(sum of squares + eps), or with the larger of the two."""
    value, writer = operation.input(0), operation.writer
    squares = writer.emit("ReduceSumSquare", value, operation.longs(1), keepdims=1, noop_with_empty_axes=1)
    kind = {"add": "Add", "max": "Max"}[str(operation.attributes["eps_mode"]).lower()]
    size = writer.emit(kind, squares, operation.scalar(float(operation.attributes["eps"])))
    operation.emit("Div", value, writer.emit("Sqrt", size))


def batch_normalization(operation: Operation) -> None:
    """Write normalization by statistics of the training."""
    epsilon = float(operation.attributes["epsilon"])
    operation.emit("BatchNormalization", *operation.inputs(), epsilon=epsilon)


def group_normalization(operation: Operation) -> None:
    """Write normalization within groups of channels; before set 21 scales were per group."""
    operation.writer.require(21)
    how = {"num_groups": int(operation.attributes["num_groups"]), "epsilon": float(operation.attributes["epsilon"])}
    operation.emit("GroupNormalization", *operation.inputs(), **how)


def top_k(operation: Operation) -> None:
    """Write the largest or smallest elements along an axis, and their places."""
    attributes = operation.attributes
    operation.expect("sort", ("value", "none"))
    how = {
        "axis": int(attributes["axis"]),
        "largest": int(attributes["mode"] == "max"),
        "sorted": int(attributes["sort"] == "value"),
    }
    places = operation.name(1)
    cast = operation.node.output(1).get_element_type().get_type_name() != "i64"
    found = [operation.name(0), operation.writer.new_name("places") if cast else places]
    operation.writer.emit_all("TopK", operation.input(0), operation.longs(1), outputs=found, **how)
    if cast:
        operation.writer.emit("Cast", found[1], name=places, to=operation.onnx_type(1))
    operation.put(found[0])
    operation.put(places, 1)


def cumulative_sum(operation: Operation) -> None:
    """Write the sums of all elements up to each."""
    how = {name: int(operation.attributes[name]) for name in ("exclusive", "reverse")}
    operation.emit("CumSum", *operation.inputs(), **how)


OPERATIONS = {
    **dict.fromkeys(REDUCTIONS, reduction),
    "BatchNormInference": batch_normalization,
    "CumSum": cumulative_sum,
    "GroupNormalization": group_normalization,
    "MVN": mean_variance_normalization,
    "NormalizeL2": normalize_l2,
    "ReduceLogicalAnd": logical_reduction,
    "ReduceLogicalOr": logical_reduction,
    "TopK": top_k,
}
