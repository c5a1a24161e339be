"""Score language models: perplexity, and agreement with float on the next token."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from ovquant.domain.sample import Array, Outputs
from ovquant.errors import MetricError
from ovquant.plugins.extras import library
from ovquant.plugins.metrics.outputs import split_output, without_batch


@dataclass(frozen=True)
class Perplexity:
    """Raise e to the mean negative log-likelihood of the target tokens, which are the text's own where it has no target.

    The output is logits `[1, T, V]` (log-probabilities do as well), the target token ids `[T]`. With `shift` the logits
    at a position are for the next token, as causal models give them: the last position and the first target are
    dropped. Targets equal to `ignore_index` are left out. Items are (sum of nats, tokens); 1 is perfect. The log-softmax
    is `scipy.special.log_softmax`. Of several outputs it is `logits`, unless another is named.
    """

    shift: bool = True
    ignore_index: int = -100
    output: str = ""

    higher_is_better: ClassVar[bool] = False
    is_mean: ClassVar[bool] = False
    against: ClassVar[str] = "targets"
    reads_texts: ClassVar[bool] = True

    def measure(self, outputs: Outputs, targets: Sequence[Any], /) -> list[tuple[float, int]]:
        """Return (negative log-likelihood in nats, number of tokens) per sample."""
        log_softmax = library("scipy.special", metric="perplexity", extra="metrics").log_softmax
        samples = split_output(outputs, targets, output=logits_of(outputs, self.output), metric="perplexity")
        return [self._likelihood(log_softmax, sample, target) for sample, target in zip(samples, targets, strict=True)]

    def aggregate(self, items: Sequence[tuple[float, int]], /) -> float:
        """Return the perplexity over all tokens; infinite when it is too large for a float."""
        total, tokens = (sum(side) for side in zip(*items, strict=True))
        if not tokens:
            raise MetricError("Metric 'perplexity': no token to predict. Give longer texts, or check ignore_index.")
        with np.errstate(over="ignore"):
            return float(np.exp(total / tokens))

    def _likelihood(self, log_softmax: Any, sample: Array, target: Any) -> tuple[float, int]:
        logits, tokens = without_batch(sample), np.asarray(target)
        tokens = without_batch(tokens) if tokens.ndim == 2 else tokens
        _check_shapes(logits, tokens)
        if self.shift:
            logits, tokens = logits[:-1], tokens[1:]
        kept = tokens != self.ignore_index
        logits, tokens = logits[kept], tokens[kept]
        _check_tokens(tokens, logits.shape[-1])
        if not tokens.size:
            return 0.0, 0
        chosen = log_softmax(as_real(logits), axis=-1)[np.arange(tokens.size), tokens]
        return float(-chosen.sum(dtype=np.float64)), int(tokens.size)


@dataclass(frozen=True)
class Agreement:
    """Return the share of a text's positions at which the likeliest next token is the float model's; no labels are needed.

    The output is logits `[1, T, V]`; of several outputs it is `logits`, unless another is named. Targets are the float model's
    outputs. Each text counts as one, with a share from 0 to 1, so that the mean over texts can be certified by betting
    (Waudby-Smith and Ramdas, 2024), though the positions of a text depend on each other. Higher is better, 1 is perfect.
    """

    output: str = ""

    higher_is_better: ClassVar[bool] = True
    is_mean: ClassVar[bool] = True
    against: ClassVar[str] = "float"
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def measure(self, outputs: Outputs, targets: Sequence[Any], /) -> list[float]:
        """Return the share per text; raises MetricError where the shapes differ."""
        samples = split_output(outputs, targets, output=logits_of(outputs, self.output), metric="agreement")
        return [
            _share(_likeliest(sample), self.excerpt(target)) for sample, target in zip(samples, targets, strict=True)
        ]

    def excerpt(self, outputs: Any, /) -> Array:
        """Return the likeliest next token at each position of a text, `[1, T]`, of its logits; such tokens are left as they are."""
        single = {name: [value] for name, value in outputs.items()} if isinstance(outputs, Mapping) else [outputs]
        (logits,) = split_output(single, [None], output=logits_of(outputs, self.output), metric="agreement")
        return _likeliest(logits)

    def aggregate(self, items: Sequence[float], /) -> float:
        """Return the mean over texts."""
        return float(np.mean(items))


@dataclass(frozen=True)
class Choice:
    """Return the share of questions whose right choice is the likeliest: the highest log-likelihood of its tokens.

    The output is logits `[1, T, V]`, and a target that of the dataset `choices`. by: `sum` adds up the nats of a choice's tokens, and
    `mean` divides that by their number, so that longer choices are not unlikelier for their length. Items are (question,
    number of choices, right, nats). Higher is better, 1 is perfect. The log-softmax is `scipy.special.log_softmax`. Of several
    outputs it is `logits`, unless another is named.
    """

    by: Literal["sum", "mean"] = "sum"
    output: str = ""

    higher_is_better: ClassVar[bool] = True
    is_mean: ClassVar[bool] = False
    against: ClassVar[str] = "targets"

    def measure(self, outputs: Outputs, targets: Sequence[Any], /) -> list[tuple[int, int, bool, float]]:
        """Return (question, number of choices, whether it is right, log-likelihood in nats) per choice."""
        if not all(isinstance(target, Mapping) and target.keys() >= _OF_CHOICE for target in targets):
            raise MetricError("Metric 'choice' scores questions: rows with prompt, choices and answer.")
        likelihoods = Perplexity(output=self.output).measure(outputs, [target["tokens"] for target in targets])
        nats = (-total / (tokens if self.by == "mean" else 1) for total, tokens in likelihoods)
        return [
            (int(target["question"]), int(target["choices"]), bool(target["right"]), value)
            for target, value in zip(targets, nats, strict=True)
        ]

    def aggregate(self, items: Sequence[tuple[int, int, bool, float]], /) -> float:
        """Return the share of questions; raises MetricError for one whose choices are not all there."""
        pending: dict[int, list[tuple[float, bool]]] = {}
        found = list[bool]()
        for question, choices, right, nats in items:
            known = pending.setdefault(question, [])
            known.append((nats, right))
            if len(known) == choices:
                # Equally likely choices count against the model.
                found.append(max(pending.pop(question), key=lambda item: (item[0], not item[1]))[1])
        if pending:
            raise MetricError(
                f"Metric 'choice': of question {min(pending)} not all choices are among the samples. Keep them together with "
                "--group-by prompt."
            )
        return float(np.mean(found))


_OF_CHOICE = {"tokens", "question", "right", "choices"}


def as_real(logits: Array) -> Array:
    """Return logits in f32, or in f64 where they are: what is rounded there is far below what a plan changes, and f64 takes six times as long."""
    return logits.astype(np.promote_types(logits.dtype, np.float32), copy=False)


def logits_of(outputs: Outputs, asked: str) -> str:
    """Return the name of the output that holds logits: the one asked for, or `logits` where there are several."""
    return asked or ("logits" if isinstance(outputs, Mapping) and "logits" in outputs else "")


def _likeliest(logits: Any) -> Array:
    found = np.asarray(logits)
    return found if found.dtype.kind in "iu" else found.argmax(-1).astype(np.int32)


def _share(mine: Array, theirs: Array) -> float:
    if mine.shape != theirs.shape:
        raise MetricError(
            f"Metric 'agreement': {list(mine.shape)} next tokens cannot be compared with the float model's {list(theirs.shape)}. "
            "Give an output of logits [1, T, V] with output=NAME."
        )
    return float(np.mean(mine == theirs))


def _check_shapes(logits: Array, tokens: Array) -> None:
    if tokens.dtype.kind not in "iu" or logits.ndim != 2 or tokens.shape != logits.shape[:1]:
        raise MetricError(
            f"Metric 'perplexity' reads logits [1, T, V] and token ids [T]; got {list(logits.shape)} (without the batch) "
            f"and {tokens.dtype} {list(tokens.shape)}. Choose the output with output=NAME if the model has several."
        )


def _check_tokens(tokens: Array, vocabulary: int) -> None:
    if tokens.size and not 0 <= tokens.min() <= tokens.max() < vocabulary:
        raise MetricError(
            f"Metric 'perplexity': target ids from {tokens.min()} to {tokens.max()} leave the vocabulary of "
            f"{vocabulary}. Mark tokens to leave out with ignore_index."
        )
