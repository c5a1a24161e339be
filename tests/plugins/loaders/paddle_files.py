"""A small Paddle inference program, as paddle would write it (fields of its public framework.proto)."""

from pathlib import Path

from tests.plugins.loaders.wire import blob, joined, number

DENSE, FEED, FETCH, FP32 = 7, 9, 10, 5


def write_pdmodel(path: Path, sizes: list[int]) -> Path:
    """Write x → ReLU → y with no weights."""
    variables = [_variable("feed", FEED), _variable("fetch", FETCH), _dense("x", sizes), _dense("y", sizes)]
    operators = [
        _operator("feed", {"X": "feed"}, {"Out": "x"}, column=True),
        _operator("relu", {"X": "x"}, {"Out": "y"}),
        _operator("fetch", {"X": "y"}, {"Out": "fetch"}, column=True),
    ]
    block = number(1, 0) + number(2, -1) + joined(blob(3, item) for item in variables)
    path.write_bytes(blob(1, block + joined(blob(4, item) for item in operators)) + blob(4, number(1, 2_000_000)))
    return path


def _variable(name: str, kind: int) -> bytes:
    return blob(1, name) + blob(2, number(1, kind)) + number(3, 1)


def _dense(name: str, sizes: list[int]) -> bytes:
    tensor = number(1, FP32) + joined(number(2, size) for size in sizes)
    return blob(1, name) + blob(2, number(1, DENSE) + blob(3, blob(1, tensor))) + number(3, 0)


def _operator(kind: str, inputs: dict[str, str], outputs: dict[str, str], *, column: bool = False) -> bytes:
    body = joined(blob(1, blob(1, key) + blob(2, value)) for key, value in inputs.items())
    body += joined(blob(2, blob(1, key) + blob(2, value)) for key, value in outputs.items())
    attribute = blob(4, blob(1, "col") + number(2, 0) + number(3, 0)) if column else b""
    return body + blob(3, kind) + attribute
