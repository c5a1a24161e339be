"""Labels that are text, and the whole numbers that stand for them."""

from collections.abc import Mapping
from typing import Any

from ovquant.errors import DataError

MOST_SHOWN = 12
"""Labels that a note lists."""


def labels_of(dataset: Any) -> Mapping[str, int]:
    """Return the number of each label of a dataset that turned labels into numbers, or none."""
    found: Mapping[str, int] = getattr(dataset, "labels", {})
    return found if isinstance(found, Mapping) else {}


def label_note(labels: Mapping[str, int]) -> tuple[str, ...]:
    """Say which number stands for which label, in one line."""
    if not labels:
        return ()
    order = sorted(labels, key=lambda label: labels[label])
    shown = ", ".join(f"{label} {labels[label]}" for label in order[:MOST_SHOWN])
    more = f" … {order[-1]} {labels[order[-1]]} ({len(order)} in all)" if len(order) > MOST_SHOWN else ""
    if order != sorted(order):
        return (f"Labels: {shown}{more}.",)
    return (
        f"Labels, in sorted order: {shown}{more}. If the model's order is another one, give it with classes=a;b;c.",
    )


def check_same(mine: Mapping[str, int], theirs: Mapping[str, int], my_role: str, their_role: str) -> None:
    """Raise DataError for a label that has another number in other data, as where a class has no sample there."""
    for label, number in theirs.items():
        if mine and mine.get(label, number) != number:
            raise DataError(
                f"The label '{label}' is {mine[label]} in {my_role} and {number} in {their_role}: some label is missing in one "
                "of them. Give both the same order with classes=a;b;c."
            )
