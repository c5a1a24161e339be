"""What a search would do is told without doing it, and what is wrong shows as it would then."""

import pytest

import ovquant
from ovquant.domain.sample import Sample
from ovquant.errors import MetricError, UsageError
from tests.live.test_core import ROWS, net


def test_it_tells_the_data_the_recipes_and_about_how_long_scoring_takes() -> None:
    found = ovquant.preview(net(), data=list(ROWS), metric="fidelity", max_drop="1%", isolate=False)
    assert sum(found.samples[role] for role in ("search", "holdout")) == len(ROWS)
    assert (found.metrics, found.budget) == (("Fidelity",), "a drop of at most 1%")
    assert found.opening.startswith("int8")
    assert "int8 weights" in found.recipes
    assert found.float_ms > 0
    scored = found.samples["search"] + 2 * found.samples["holdout"]
    assert found.scoring_seconds == pytest.approx(scored * found.float_ms / 1000)


def test_it_takes_every_kind_of_budget() -> None:
    data = [Sample(sample, target) for sample, target in zip(ROWS, [0, 1] * (len(ROWS) // 2), strict=False)]
    how = {"max_drop": "5%", "worst_slice": "9%", "slice_by": "target", "confidence": 0.9, "max_memory": "1GB"}
    found = ovquant.preview(net(), data=data, metric="fidelity", isolate=False, **how)
    for part in ("of every slice at most 9%", "at most 1000 MB of memory", "with 0.9 confidence"):
        assert part in found.budget


def test_what_is_wrong_is_wrong_here_too() -> None:
    with pytest.raises(UsageError, match="Give a budget"):
        ovquant.preview(net(), data=list(ROWS), metric="fidelity", isolate=False)
    with pytest.raises(MetricError, match="needs targets"):
        ovquant.preview(net(), data=list(ROWS), metric="accuracy", max_drop="1%", isolate=False)
    with pytest.raises(UsageError, match="recipes"):
        ovquant.preview(net(), data=list(ROWS), metric="fidelity", max_drop="1%", isolate=False, recipe=["x"])
