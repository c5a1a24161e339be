"""What the user wants in float: operation names, operation types and regular expressions, checked against the model."""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import openvino

from ovquant.errors import UsageError


@dataclass(frozen=True)
class Kept:
    """Operation types and operation names that stay in float."""

    types: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


def kept_operations(model: openvino.Model, wishes: Sequence[str], *, kinds: Iterable[str] = ()) -> Kept:
    """Return the types and names that wishes stand for.

    A wish is an operation's name, an operation type, or a regular expression that matches whole names. kinds: operation types
    beside the model's that are meant too, such as those of its normal form. Raises UsageError for one that matches nothing, with
    close matches.
    """
    by_name = {operation.get_friendly_name(): operation.get_type_name() for operation in model.get_ops()}
    known = {*by_name.values(), *kinds}
    types: set[str] = set()
    names: set[str] = set()
    for wish in wishes:
        if wish in by_name:
            names.add(wish)
        elif wish in known:
            types.add(wish)
        else:
            names |= _matching(wish, by_name, known)
    return Kept(tuple(sorted(types)), tuple(sorted(names)))


def _matching(wish: str, by_name: dict[str, str], kinds: set[str]) -> set[str]:
    try:
        pattern = re.compile(wish)
    except re.error as error:
        raise UsageError(
            f"--keep-float '{wish}' is not a name, a type or a valid regular expression: {error}."
        ) from error
    data = ("Constant", "Parameter", "Result", "Convert")
    found = {name for name, kind in by_name.items() if kind not in data and pattern.fullmatch(name)}
    if not found:
        computing = [name for name, kind in by_name.items() if kind not in data]
        close = difflib.get_close_matches(wish, [*computing, *kinds], n=3)
        hint = f"Did you mean {', '.join(close)}?" if close else f"The types: {', '.join(sorted(kinds - set(data)))}."
        raise UsageError(f"--keep-float '{wish}' matches no operation's name or type in this model. {hint}")
    return found
