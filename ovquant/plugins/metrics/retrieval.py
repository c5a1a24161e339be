"""Score embedding models: by the passages that they find for a query, and by how alike they find two texts."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from ovquant.domain.sample import Array, Outputs
from ovquant.errors import MetricError
from ovquant.plugins.extras import library
from ovquant.plugins.metrics.outputs import split_output, without_batch

Pooling = Literal["mean", "first", "last"]
Text = tuple[int, int, int, tuple[float, ...], Array]
"""A text: its row, its place in it, how many texts the row has, what is true of them, and its embedding, of length one."""


@dataclass(frozen=True)
class _OfEmbeddings:
    """A metric of embeddings: what rows of texts are compared by."""

    pooling: Pooling = "mean"
    output: str = ""

    higher_is_better: ClassVar[bool] = True
    is_mean: ClassVar[bool] = False
    against: ClassVar[str] = "targets"

    def measure(self, outputs: Outputs, targets: Sequence[Any], /) -> list[Text]:
        """Return the embedding of each text, and where it belongs."""
        return embedded(outputs, targets, self.pooling, self.output, type(self).__name__.lower())


@dataclass(frozen=True)
class Ndcg(_OfEmbeddings):
    """Average the normalised discounted cumulative gain of the k passages nearest to a query, over the queries.

    Passages are ordered by the cosine of their embedding with the query's; equal ones share what their places gain. A target is that of
    the dataset `retrieval`. The output is one embedding a text, `[1, H]`, or one a token, `[1, T, H]`, which is pooled as the
    model's folder says: `mean` over the text's tokens, the `first` or the `last` one; of several outputs it is `output`. 1 is
    perfect. The gain is `sklearn.metrics.ndcg_score`.
    """

    k: int = 10

    def aggregate(self, items: Sequence[Text], /) -> float:
        """Return the mean over queries; raises MetricError for one whose passages are not all there."""
        score = library("sklearn.metrics", metric="ndcg", extra="metrics").ndcg_score
        return _over_queries(items, "ndcg", lambda truth, found: float(score([truth], [found], k=self.k)))


@dataclass(frozen=True)
class Recall(_OfEmbeddings):
    """Average the share of a query's relevant passages that are among the k nearest to it, over the queries.

    Targets and outputs are those of `ndcg`. 1 is perfect.
    """

    k: int = 10

    def aggregate(self, items: Sequence[Text], /) -> float:
        """Return the mean over queries; raises MetricError for one whose passages are not all there."""

        def share(truth: Array, found: Array) -> float:
            nearest = np.argsort(-found, kind="stable")[: self.k]
            return float(np.count_nonzero(truth[nearest]) / np.count_nonzero(truth))

        return _over_queries(items, "recall", share)


@dataclass(frozen=True)
class Similarity(_OfEmbeddings):
    """Correlate the ranks of the cosines of pairs of texts with those of their scores.

    A target is that of the dataset `pairs`, and outputs are as those of `ndcg`. 1 is perfect. The correlation is
    `scipy.stats.spearmanr`.
    """

    def aggregate(self, items: Sequence[Text], /) -> float:
        """Return the rank correlation over all pairs; raises MetricError for one that is not whole."""
        correlation = library("scipy.stats", metric="similarity", extra="metrics").spearmanr
        rows = list(_rows(items, "similarity"))
        if len(rows) < 2:
            raise MetricError(f"Metric 'similarity' needs two pairs at least; got {len(rows)}. Give more samples.")
        cosines, scores = zip(*((float(found[0]), truth[0]) for truth, found in rows), strict=True)
        with warnings.catch_warnings():
            # Constant values have no correlation: scipy warns and gives NaN, and NaN is caught where scores are checked.
            warnings.simplefilter("ignore", RuntimeWarning)
            return float(correlation(cosines, scores).statistic)


_OF_TEXT = {"row", "place", "texts", "truth", "tokens", "left"}


def embedded(outputs: Outputs, targets: Sequence[Any], pooling: Pooling, output: str, metric: str) -> list[Text]:
    """Return the embedding of each text, of length one, and where it belongs."""
    if not all(isinstance(target, Mapping) and target.keys() >= _OF_TEXT for target in targets):
        raise MetricError(
            f"Metric '{metric}' scores rows of texts: with query, passages and relevance, or with first, second and similarity."
        )
    samples = split_output(outputs, targets, output=output, metric=metric)
    return [
        (
            int(target["row"]),
            int(target["place"]),
            int(target["texts"]),
            tuple(target["truth"]),
            _pooled(sample, target, pooling, metric),
        )
        for sample, target in zip(samples, targets, strict=True)
    ]


def _pooled(sample: Array, target: Mapping[str, Any], pooling: Pooling, metric: str) -> Array:
    """Return one embedding of length one."""
    values, tokens = without_batch(np.asarray(sample)).astype(np.float64), int(target["tokens"])
    if values.ndim == 2 and len(values) >= tokens > 0:
        # A row that was padded is as long as the longest beside it.
        own = values[len(values) - tokens :] if target["left"] else values[:tokens]
        values = own.mean(axis=0) if pooling == "mean" else own[0 if pooling == "first" else -1]
    if values.ndim != 1:
        raise MetricError(
            f"Metric '{metric}' reads an embedding [1, H], or [1, T, H] of {tokens} tokens; got {list(sample.shape)}. Choose the "
            "output with output=NAME if the model has several."
        )
    length = float(np.linalg.norm(values))
    return values / length if length else values


def _over_queries(items: Sequence[Text], metric: str, score: Callable[[Array, Array], float]) -> float:
    return float(np.mean([score(truth, found) for truth, found in _rows(items, metric)]))


def _rows(items: Sequence[Text], metric: str) -> list[tuple[Array, Array]]:
    """Return for each row what is true of its texts and the cosines of the others with the first."""
    pending: dict[int, dict[int, Array]] = {}
    found = list[tuple[Array, Array]]()
    for row, place, texts, truth, embedding in items:
        known = pending.setdefault(row, {})
        known[place] = embedding
        if len(known) == texts:
            first, *others = (known[number] for number in range(texts))
            found.append((np.array(truth), np.array(others) @ first))
            del pending[row]
    if pending:
        raise MetricError(
            f"Metric '{metric}': of row {min(pending)} not all texts are among the samples. Keep them together with --group-by, by "
            "the column of the query or of the first sentence."
        )
    return found
