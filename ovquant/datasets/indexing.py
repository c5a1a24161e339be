"""Check the index of a sample."""

import operator


def position(index: int, length: int) -> int:
    """Return the index counted from the start; raise IndexError outside, which is what ends a `for` loop."""
    given = operator.index(index)
    found = given + length if given < 0 else given
    if not 0 <= found < length:
        raise IndexError(f"sample {given} of {length}")
    return found
