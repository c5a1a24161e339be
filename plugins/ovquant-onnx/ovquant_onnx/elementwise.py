"""Operations on single elements."""

from ovquant_onnx.operation import Operation

UNARY = {
    "Abs": "Abs",
    "Acos": "Acos",
    "Acosh": "Acosh",
    "Asin": "Asin",
    "Asinh": "Asinh",
    "Atan": "Atan",
    "Atanh": "Atanh",
    "Ceiling": "Ceil",
    "Cos": "Cos",
    "Cosh": "Cosh",
    "Erf": "Erf",
    "Exp": "Exp",
    "Floor": "Floor",
    "HSwish": "HardSwish",
    "IsNaN": "IsNaN",
    "Log": "Log",
    "LogicalNot": "Not",
    "Mish": "Mish",
    "Negative": "Neg",
    "Relu": "Relu",
    "Sigmoid": "Sigmoid",
    "Sign": "Sign",
    "Sin": "Sin",
    "Sinh": "Sinh",
    "SoftPlus": "Softplus",
    "SoftSign": "Softsign",
    "Sqrt": "Sqrt",
    "Tan": "Tan",
    "Tanh": "Tanh",
}
BINARY = {
    "Add": "Add",
    "Divide": "Div",
    "Equal": "Equal",
    "Greater": "Greater",
    "GreaterEqual": "GreaterOrEqual",
    "Less": "Less",
    "LessEqual": "LessOrEqual",
    "LogicalAnd": "And",
    "LogicalOr": "Or",
    "LogicalXor": "Xor",
    "Maximum": "Max",
    "Minimum": "Min",
    "Multiply": "Mul",
    "Power": "Pow",
    "Subtract": "Sub",
}


def unary(operation: Operation) -> None:
    """Write an operation that ONNX has under a name; whole numbers are rounded already, and ONNX does not round them."""
    whole = operation.kind in ("Ceiling", "Floor") and not operation.sources[0].get_element_type().is_real()
    operation.emit("Identity" if whole else UNARY[operation.kind], operation.input(0))


def binary(operation: Operation) -> None:
    """Write an operation on two broadcast inputs; whole numbers are divided as sizes are, towards zero."""
    numpy_like(operation)
    operation.emit(BINARY[operation.kind], *operation.inputs())


def numpy_like(operation: Operation) -> None:
    """Refuse the broadcasting of old frameworks."""
    operation.expect("auto_broadcast", ("numpy", "none"))


def bitwise(operation: Operation) -> None:
    """Write an operation on bits, which for flags is the logical one."""
    kind = operation.kind.removeprefix("Bitwise")
    operation.emit(kind if operation.type_of(0) == "boolean" else operation.kind, *operation.inputs())


def not_equal(operation: Operation) -> None:
    """Write x != y."""
    numpy_like(operation)
    operation.emit("Not", operation.writer.emit("Equal", *operation.inputs()))


def squared_difference(operation: Operation) -> None:
    """Write (x - y)²."""
    numpy_like(operation)
    difference = operation.writer.emit("Sub", *operation.inputs())
    operation.emit("Mul", difference, difference)


def modulo(operation: Operation) -> None:
    """Write the remainder that has the sign of the dividend."""
    numpy_like(operation)
    operation.emit("Mod", *operation.inputs(), fmod=1)


def floor_modulo(operation: Operation) -> None:
    """Write the remainder that has the sign of the divisor."""
    numpy_like(operation)
    left, right = operation.inputs()
    if not operation.sources[0].get_element_type().is_real():
        operation.emit("Mod", left, right, fmod=0)
        return
    whole = operation.writer.emit("Floor", operation.writer.emit("Div", left, right))
    operation.emit("Sub", left, operation.writer.emit("Mul", whole, right))


def convert(operation: Operation) -> None:
    """Write a change of the element type."""
    operation.emit("Cast", operation.input(0), to=operation.onnx_type())


def clamp(operation: Operation) -> None:
    """Write the limits as inputs, as ONNX has them."""
    limits = [operation.scalar(float(operation.attributes[name])) for name in ("min", "max")]
    operation.emit("Clip", operation.input(0), *limits)


def rounding(operation: Operation) -> None:
    """Write rounding to the nearest number, halves to even ones or away from zero."""
    if operation.attributes["mode"] == "half_to_even":
        operation.emit("Round", operation.input(0))
        return
    value = operation.input(0)
    size = operation.writer.emit("Add", operation.writer.emit("Abs", value), operation.scalar(0.5))
    operation.emit("Mul", operation.writer.emit("Floor", size), operation.writer.emit("Sign", value))


def hard_sigmoid(operation: Operation) -> None:
    """Write max(0, min(1, alpha x + beta))."""
    alpha, beta = (operation.number(place) for place in (1, 2))
    operation.emit("HardSigmoid", operation.input(0), alpha=alpha, beta=beta)


def h_sigmoid(operation: Operation) -> None:
    """Write min(max(x + 3, 0), 6) / 6."""
    operation.emit("HardSigmoid", operation.input(0), alpha=1 / 6, beta=0.5)


def swish(operation: Operation) -> None:
    """Write x sigmoid(beta x)."""
    value = operation.input(0)
    scaled = operation.writer.emit("Mul", value, operation.input(1)) if len(operation.sources) > 1 else value
    operation.emit("Mul", value, operation.writer.emit("Sigmoid", scaled))


def gelu(operation: Operation) -> None:
    """Write the Gaussian error linear unit, exact or by tanh."""
    approximate = "tanh" if str(operation.attributes.get("approximation_mode", "ERF")).upper() == "TANH" else "none"
    operation.emit("Gelu", operation.input(0), approximate=approximate)


def elu(operation: Operation) -> None:
    """Write the exponential linear unit."""
    operation.emit("Elu", operation.input(0), alpha=float(operation.attributes["alpha"]))


def selu(operation: Operation) -> None:
    """Write the scaled exponential linear unit."""
    alpha, gamma = (operation.number(place) for place in (1, 2))
    operation.emit("Selu", operation.input(0), alpha=alpha, gamma=gamma)


def prelu(operation: Operation) -> None:
    """Write the rectifier with a learned slope; a slope of one axis belongs to the channels."""
    slope, rank = operation.input(1), operation.rank(0)
    if operation.rank(1) == 1 and rank > 1 and operation.size(1, 0) != 1:
        shape = operation.writer.integers([-1] + [1] * (rank - 2))
        slope = operation.writer.emit("Reshape", slope, shape)
    operation.emit("PRelu", operation.input(0), slope)


def is_infinite(operation: Operation) -> None:
    """Write the test for infinities."""
    signs = {f"detect_{sign}": int(operation.attributes[f"detect_{sign}"]) for sign in ("positive", "negative")}
    operation.emit("IsInf", operation.input(0), **signs)


def is_finite(operation: Operation) -> None:
    """Write the test for what is neither infinite nor not a number."""
    value = operation.input(0)
    others = [operation.writer.emit(kind, value) for kind in ("IsInf", "IsNaN")]
    operation.emit("Not", operation.writer.emit("Or", *others))


def select(operation: Operation) -> None:
    """Write the choice between two inputs."""
    numpy_like(operation)
    operation.emit("Where", *operation.inputs())


def softmax(operation: Operation) -> None:
    """Write softmax and its logarithm."""
    operation.emit(operation.kind, operation.input(0), axis=int(operation.attributes["axis"]))


OPERATIONS = {
    **dict.fromkeys(UNARY, unary),
    **dict.fromkeys(BINARY, binary),
    **dict.fromkeys(("BitwiseAnd", "BitwiseNot", "BitwiseOr", "BitwiseXor"), bitwise),
    "Clamp": clamp,
    "Convert": convert,
    "ConvertLike": convert,
    "Elu": elu,
    "FloorMod": floor_modulo,
    "Gelu": gelu,
    "HardSigmoid": hard_sigmoid,
    "HSigmoid": h_sigmoid,
    "IsFinite": is_finite,
    "IsInf": is_infinite,
    "LogSoftmax": softmax,
    "Mod": modulo,
    "NotEqual": not_equal,
    "PRelu": prelu,
    "Round": rounding,
    "Select": select,
    "Selu": selu,
    "Softmax": softmax,
    "SquaredDifference": squared_difference,
    "Swish": swish,
}
