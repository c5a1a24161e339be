"""Write protocol-buffer messages by hand, so that TensorFlow and Paddle files need neither library."""

from collections.abc import Iterable


def varint(value: int) -> bytes:
    """Encode a non-negative integer, or a negative one as 64 bits."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field: int, value: int) -> bytes:
    """Encode an integer field."""
    return varint(field << 3) + varint(value)


def blob(field: int, value: bytes | str) -> bytes:
    """Encode a string, bytes or message field."""
    data = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(data)) + data


def entry(field: int, key: str, value: bytes) -> bytes:
    """Encode one entry of a map field from a string to a message."""
    return blob(field, blob(1, key) + blob(2, value))


def joined(parts: Iterable[bytes]) -> bytes:
    """Join encoded fields into a message."""
    return b"".join(parts)
