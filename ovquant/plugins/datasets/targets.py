"""Turn the targets in a file, which are text or plain values, into what a metric compares."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ovquant.errors import DataError

TargetType = Literal["auto", "number", "class", "text"]
"""What text targets are: numbers; classes, as indices; text, as it is; or, with auto, numbers if all of them are."""
MOST_CLASSES = 10_000
"""Above this many different labels, they are taken for free text by mistake."""


@dataclass(frozen=True)
class Encoding:
    """How one file's text targets become values: `numbers`, or a class index by label, or neither."""

    numbers: bool = False
    classes: Mapping[str, int] = field(default_factory=dict)

    def __call__(self, value: Any) -> Any:
        """Return the value of one target; empty text is not a target, and what is not text stays as it is."""
        if not isinstance(value, str):
            return value
        if value == "":
            return None
        if self.classes:
            return self._index(value)
        return number(value) if self.numbers else value

    def _index(self, label: str) -> int:
        if label not in self.classes:
            known = ", ".join(list(self.classes)[:20])
            raise DataError(f"The label '{label}' is none of the classes {known}. Add it to classes=, or correct it.")
        return self.classes[label]


def learn_encoding(
    values: Iterable[Any],
    target_type: TargetType,
    *,
    classes: tuple[str, ...] = (),
    otherwise: Literal["class", "text"],
    name: str,
) -> Encoding:
    """Decide how the targets are encoded by looking at all of them once, keeping only the different ones.

    `classes` gives labels their order; without it they are sorted. With target_type auto, targets that are not
    all numbers are what `otherwise` says. Raises DataError for a number that is none and for too many classes.
    """
    if classes:
        return Encoding(classes={label: index for index, label in enumerate(classes)})
    if target_type == "text":
        return Encoding()
    wants_classes = target_type == "class" or (target_type == "auto" and otherwise == "class")
    labels: set[str] = set()
    all_numbers = True
    for value in values:
        if not isinstance(value, str) or not value:
            continue
        all_numbers = all_numbers and number(value) is not None
        if not all_numbers and target_type == "number":
            raise DataError(f"The target '{value}' of {name} is not a number. Correct it, or leave out target_type.")
        if not all_numbers and not wants_classes:
            return Encoding()
        if len(labels) <= MOST_CLASSES:
            labels.add(value)
        if len(labels) > MOST_CLASSES and (target_type == "class" or not all_numbers):
            raise DataError(
                f"The targets of {name} are more than {MOST_CLASSES} different texts, too many for classes. "
                "If they are free text, add target_type=text."
            )
    if target_type != "class" and all_numbers:
        return Encoding(numbers=True)
    return Encoding(classes={label: index for index, label in enumerate(sorted(labels))})


def number(text: str) -> int | float | None:
    """Return the int or float that a text writes, or None; a finite one, in digits without underscores."""
    stripped = text.strip()
    if not stripped or "_" in stripped or not any(character.isdigit() for character in stripped):
        return None
    for kind in (int, float):
        try:
            return kind(stripped)
        except ValueError:
            continue
    return None
