"""Score recognised text: character and word error rates, exact match."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ovquant.domain.sample import GENERATED, Outputs
from ovquant.errors import MetricError, UsageError
from ovquant.plugins.extras import library
from ovquant.plugins.metrics.outputs import (
    Decode,
    ctc_greedy,
    find_decode,
    plain_text,
    read_characters,
    split_output,
    split_outputs,
)


@dataclass(frozen=True)
class Exact:
    """Count how often the decoded text is the target, character by character.

    Text comes from `decode` (a function, or `FILE.py:NAME`, from the outputs of one sample, batch axis kept, to
    text), or from greedy CTC decoding of scores `[1, T, C]` with `characters` (a file with one character per line;
    `space` adds the space after the last; `blank` is the class of the blank, -1 the last), or the output is text
    already, or it is what the model itself writes, where the data say what that is (`completions`). Targets are text, or what another
    model gave, of which the text is made likewise. `ignore_case` compares lower-cased text; `normalize` also leaves out punctuation and
    more than one space, as transcripts of speech are compared (jiwer's transformations). The score is between 0 and 1.
    """

    decode: Decode = ""
    characters: Path | None = None
    space: bool = False
    blank: int = 0
    ignore_case: bool = False
    normalize: bool = False
    output: str = ""

    higher_is_better: ClassVar[bool] = True
    is_mean: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    against: ClassVar[str] = "targets"
    reads_generated: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_source(self, "exact")

    def measure(self, outputs: Outputs, targets: Sequence[Any], /) -> list[float]:
        """Return 1.0 or 0.0 per sample."""
        return [float(found == expected) for found, expected in _texts(self, "exact", outputs, targets)]

    def aggregate(self, items: Sequence[float], /) -> float:
        """Return the mean of the items."""
        return float(np.mean(items))


@dataclass(frozen=True)
class Cer:
    """Divide the character edits that turn the decoded text into the target by the characters of the targets.

    The options are those of `exact`. Items are (edits, length) pairs and are summed before they are divided, so
    long texts weigh more; 0 is perfect and the score may exceed 1. Source: `jiwer.process_characters`.
    """

    decode: Decode = ""
    characters: Path | None = None
    space: bool = False
    blank: int = 0
    ignore_case: bool = False
    normalize: bool = False
    output: str = ""

    higher_is_better: ClassVar[bool] = False
    is_mean: ClassVar[bool] = False
    useful: ClassVar[tuple[float, float]] = (0.0, 1.0)
    against: ClassVar[str] = "targets"
    reads_generated: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_source(self, "cer")

    def measure(self, outputs: Outputs, targets: Sequence[Any], /) -> list[tuple[int, int]]:
        """Return (edits, characters of the target) per sample."""
        process = library("jiwer", metric="cer", extra="text").process_characters
        return [_edits(process, found, expected) for found, expected in _texts(self, "cer", outputs, targets)]

    def aggregate(self, items: Sequence[tuple[int, int]], /) -> float:
        """Return all edits over all characters."""
        return _rate(items, "cer")


@dataclass(frozen=True)
class Wer:
    """Divide the word edits that turn the decoded text into the target by the words of the targets.

    The options are those of `exact`, the items those of `cer`, with words for characters; 0 is perfect and the
    score may exceed 1. Words are separated by white space. Source: `jiwer.process_words`.
    """

    decode: Decode = ""
    characters: Path | None = None
    space: bool = False
    blank: int = 0
    ignore_case: bool = False
    normalize: bool = False
    output: str = ""

    higher_is_better: ClassVar[bool] = False
    is_mean: ClassVar[bool] = False
    useful: ClassVar[tuple[float, float]] = (0.0, 1.0)
    against: ClassVar[str] = "targets"
    reads_generated: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_source(self, "wer")

    def measure(self, outputs: Outputs, targets: Sequence[Any], /) -> list[tuple[int, int]]:
        """Return (edits, words of the target) per sample."""
        process = library("jiwer", metric="wer", extra="text").process_words
        return [_edits(process, found, expected) for found, expected in _texts(self, "wer", outputs, targets)]

    def aggregate(self, items: Sequence[tuple[int, int]], /) -> float:
        """Return all edits over all words."""
        return _rate(items, "wer")


def _check_source(metric: "Exact | Cer | Wer", name: str) -> None:
    if metric.decode and metric.characters:
        raise UsageError(f"Metric '{name}': decode and characters exclude each other. Give one of them.")


def _texts(metric: "Exact | Cer | Wer", name: str, outputs: Outputs, targets: Sequence[Any]) -> list[tuple[str, str]]:
    """Return (decoded, expected) text per sample."""
    expected = [_target_text(metric, name, target) for target in targets]
    found = _decoded(metric, name, outputs, targets)
    form = _form(metric, name)
    return [(form(text), form(other)) for text, other in zip(found, expected, strict=True)]


def _form(metric: "Exact | Cer | Wer", name: str) -> Callable[[str], str]:
    """Return what makes of a text the form in which texts are compared."""
    if not metric.normalize:
        return str.lower if metric.ignore_case else str
    jiwer = library("jiwer", metric=name, extra="text")
    steps = [jiwer.ToLowerCase(), jiwer.RemovePunctuation(), jiwer.RemoveMultipleSpaces(), jiwer.Strip()]
    made: Callable[[str], str] = jiwer.Compose(steps)
    return made


def _decoded(metric: "Exact | Cer | Wer", name: str, outputs: Outputs, targets: Sequence[Any]) -> list[str]:
    generated = isinstance(outputs, Mapping) and GENERATED in outputs
    output = metric.output or (GENERATED if generated else "")
    if metric.decode:
        decode = find_decode(metric.decode)
        samples = split_outputs(outputs, targets, output=output, metric=name)
        return [_require_text(decode(sample), name) for sample in samples]
    arrays = split_output(outputs, targets, output=output, metric=name)
    if metric.characters is not None:
        characters = [*read_characters(metric.characters), *([" "] if metric.space else [])]
        return [ctc_greedy(array, characters, blank=metric.blank) for array in arrays]
    return [_require_plain(plain_text(array), name) for array in arrays]


def _require_text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise MetricError(f"Metric '{name}': the decode function returned {type(value).__name__}; it must return text.")
    return value


def _require_plain(value: str | None, name: str) -> str:
    if value is None:
        raise MetricError(
            f"Metric '{name}': the model's output is not text. Add characters=FILE for greedy CTC decoding, or "
            "decode=FILE.py:NAME with a function from the outputs of one sample to text."
        )
    return value


def _target_text(metric: "Exact | Cer | Wer", name: str, target: Any) -> str:
    if isinstance(target, Mapping) or (isinstance(target, np.ndarray) and target.size > 1):
        outputs = {key: [array] for key, array in target.items()} if isinstance(target, Mapping) else [target]
        return _decoded(metric, name, outputs, [None])[0]
    value = target.item() if isinstance(target, np.ndarray) and target.size == 1 else target
    if not isinstance(value, str):
        raise MetricError(f"Metric '{name}' needs text as targets; got {type(target).__name__}.")
    return value


def _edits(process: Any, found: str, expected: str) -> tuple[int, int]:
    result = process(expected, found)
    return (
        result.substitutions + result.deletions + result.insertions,
        result.substitutions + result.deletions + result.hits,
    )


def _rate(items: Sequence[tuple[int, int]], name: str) -> float:
    length = sum(length for _, length in items)
    if not length:
        raise MetricError(f"Metric '{name}': every target is empty text. Give targets with text.")
    return float(sum(edits for edits, _ in items) / length)
