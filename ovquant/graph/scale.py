"""Whether a model scales an input itself, before it computes with it."""

from typing import Any

from ovquant.graph.precision import is_constant

SHAPING = ("Convert", "Reshape", "Squeeze", "Transpose", "Unsqueeze", "Gather", "Split", "Concat", "Interpolate", "Pad")
"""Operations that change no values, or that come before scaling."""
SCALING = ("Add", "BatchNormInference", "Divide", "FakeQuantize", "Multiply", "MVN", "Subtract")
MOST_STEPS = 8


def scales(port: Any, steps: int = MOST_STEPS) -> bool:
    """Tell whether the first thing that is computed from an input is that it is scaled or moved."""
    users = [target.get_node() for target in port.get_target_inputs()]
    return any(_scales(user) or (steps and user.get_type_name() in SHAPING and _next(user, steps)) for user in users)


def _scales(operation: Any) -> bool:
    kind = operation.get_type_name()
    if kind not in SCALING:
        return False
    sources = operation.input_values()
    return kind in ("BatchNormInference", "FakeQuantize", "MVN") or any(map(is_constant, sources))


def _next(operation: Any, steps: int) -> bool:
    return any(scales(output, steps - 1) for output in operation.outputs())
