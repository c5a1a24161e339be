"""A result at a Python prompt, in a notebook and as plain data."""

from dataclasses import replace
from pathlib import Path

import pytest

from ovquant.domain.trial import Timing
from tests.plugins.reports.conftest import result_of


def test_it_prints_as_a_verdict_and_a_table() -> None:
    result = result_of()
    first, *rest = str(result).splitlines()
    assert first.startswith("Met: ")
    assert any(line.startswith("drop") and "0.006" in line for line in rest)
    assert rest[-1] == f"in {result.folder}"
    # Columns are as wide as their cells.
    table = [line for line in rest[1:-2] if line]
    assert len({len(line) for line in table}) == 1


def test_its_repr_is_one_line() -> None:
    result = result_of()
    assert repr(result) == f"<Result met: {result.plan.title}, in '{result.folder}'>"
    assert repr([result]).count("\n") == 0


def test_a_notebook_shows_a_table_in_which_nothing_is_markup() -> None:
    result = result_of(folder=Path("<out>"), metric="<b>")
    page = result._repr_html_()
    assert page.startswith("<p><b>Met</b>: ")
    assert page.count("<table>") == 1
    assert "&lt;out&gt;" in page
    assert "<th>&lt;b&gt; on the holdout" in page


def test_its_summary_is_plain_data() -> None:
    result = result_of()
    found = result.summary()
    assert (found["verdict"], found["drop"], found["allowed_drop"]) == ("met", 0.006, 0.0085)
    assert found["speedup"] == pytest.approx(1 / 0.64)
    assert found["speedup_low"] == pytest.approx(1 / 0.66)
    assert (found["size_bytes"], found["float_size_bytes"]) == (3_500_000, 10_900_000)
    assert found["memory_bytes"] is None
    bare = result_of(trial=replace(result.trial, holdout=None, search=None, timing=None)).summary()
    assert {bare[name] for name in ("score", "drop", "speedup", "latency_ms")} == {None}


def test_its_trials_are_columns_of_one_length() -> None:
    result = result_of()
    table = result.trials_table()
    assert {len(column) for column in table.values()} == {len(result.trials)}
    assert table["plan"] == [trial.plan.full_title for trial in result.trials]
    place = next(place for place, trial in enumerate(result.trials) if trial.problem)
    assert table["drop"][place] is None
    assert table["problem"][place]


def test_what_was_timed_over_one_compilation_has_no_interval() -> None:
    result = result_of()
    once = Timing(5.0, 6.0, 8.0, 9.0, 0.6, 0.0, 1e9, 50)
    found = result_of(trial=replace(result.trial, timing=once)).summary()
    assert found["speedup"] == pytest.approx(1 / 0.6)
    assert (found["speedup_low"], found["speedup_high"]) == (None, None)
