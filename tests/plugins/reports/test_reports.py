"""The built-in reports: the contract suite, what they say, and that no name breaks them."""

from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ovquant.api.result import Result
from ovquant.domain.budget import Budget
from ovquant.domain.operation import Operation, Quantizer, Spread
from ovquant.domain.plan import Plan
from ovquant.domain.recipe import Recipe
from ovquant.domain.taught import Taught
from ovquant.domain.trial import Scores, Trial
from ovquant.plugins.protocols import Report
from ovquant.plugins.reports import render_reports
from ovquant.plugins.reports.figures import told_drop
from ovquant.plugins.reports.html import Html
from ovquant.plugins.reports.markdown import Markdown, escape
from ovquant.plugins.reports.pictures import (
    Axis,
    drop_picture,
    learning,
    limit_of,
    points_of,
    round_step,
    spread_pictures,
)
from ovquant.plugins.reports.sections import summary, trials, walk
from ovquant.plugins.reports.sentences import verdict_sentence
from ovquant.testing import ReportContract
from tests.plugins.reports.conftest import score

Results = dict[str, Callable[[], Result]]
REPORTS = {"html": Html(), "markdown": Markdown()}
VOID = {"meta", "br", "hr", "img"}


@pytest.mark.parametrize("name", REPORTS)
class TestBuiltIn(ReportContract):
    """Every built-in report, with every kind of result."""

    @pytest.fixture
    def report(self, name: str) -> Report:
        return REPORTS[name]

    @pytest.fixture
    def result(self, any_result: Result) -> Result:
        return any_result


class Page(HTMLParser):
    """Read a page, and fail on a tag that is not closed where it should be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_html_stands_alone(any_result: Result) -> None:
    page = Page(Html().render(any_result))
    assert not {"script", "link", "iframe", "object", "base"} & set(page.tags)
    assert not {name for name, _ in page.attributes if name == "action" or name.startswith("on")}
    assert all(value and value.startswith("data:image/png;base64,") for name, value in page.attributes if name == "src")
    places = {f"#{value}" for name, value in page.attributes if name == "id"}
    assert {value for name, value in page.attributes if name == "href"} <= places
    assert not any("@import" in text or "url(" in text for text in page.texts)


def test_html_shows_hostile_names_as_text(results: Results) -> None:
    page = Page(Html().render(results["hostile"]()))
    assert any("<script>alert('x')</script>" in text for text in page.texts)


def test_html_holds_every_fact(results: Results) -> None:
    text = " ".join(Page(Html().render(results["met"]())).texts)
    for fact in (
        "1.56×",
        "5.12 ms",
        "8 ms",
        "10.9 MB",
        "3.5 MB",
        "0.002 to 0.01",
        "0.0085",
        "It cannot be built",
        "conv1",
    ):
        assert fact in text, fact
    for fact in ("avx512_vnni", "INFERENCE_NUM_THREADS", "2026.4.1", "def456", "Something to know", '"preset"'):
        assert fact in text, fact


def test_html_is_readable_in_light_and_dark(results: Results) -> None:
    text = Html().render(results["met"]())
    assert "color-scheme: light dark" in text
    assert "prefers-color-scheme: dark" in text


def test_html_has_no_chart_without_trials(results: Results) -> None:
    page = Page(Html().render(replace(results["applied"](), trials=())))
    # That of the drop is there.
    assert page.tags.count("svg") == 1


def test_markdown_tables_have_as_many_cells_as_headers(any_result: Result) -> None:
    columns = 0
    for line in Markdown().render(any_result).splitlines():
        if not line.startswith("|"):
            columns = 0
            continue
        cells = line.replace("\\|", "").count("|")
        assert columns in (0, cells), line
        columns = cells


def test_markdown_shows_hostile_names_as_text(results: Results) -> None:
    text = Markdown().render(results["hostile"]())
    assert "<script" not in text
    assert "\n# c" not in text


def test_markdown_escapes_what_it_would_read() -> None:
    assert escape("a|b *c* <d>\n`e`") == r"a\|b \*c\* &lt;d&gt; \`e\`"


def test_markdown_begins_with_the_verdict(results: Results) -> None:
    lines = Markdown().render(results["met"]()).splitlines()
    assert lines[0] == "## recogniser: met"
    assert "faster than float" in lines[2]


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        ("met", ["1.56× faster than float", "a drop of at most 1%", "3,000 held-out samples"]),
        ("float", ["No faster plan", "float model is what was saved"]),
        ("infeasible", ["Even the float model"]),
        ("inconclusive", ["not proven"]),
        ("applied", ["is outside the budget", "drop of 0.006"]),
        ("size", ["3.11× smaller than float"]),
        ("floor", ["never past 0.8"]),
    ],
)
def test_the_verdict_is_one_sentence(results: Results, kind: str, parts: list[str]) -> None:
    sentence = verdict_sentence(results[kind]())
    assert all(part in sentence for part in parts), sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_noise_is_named(results: Results) -> None:
    made = results["met"]()
    assert made.trial.timing is not None
    noisy = replace(made, trial=replace(made.trial, timing=replace(made.trial.timing, ratio_high=1.1)))
    assert "about as fast as float" in verdict_sentence(noisy)
    assert "the noise exceeds the difference" in Html().render(noisy)


@pytest.mark.parametrize(
    ("drop", "width", "told"),
    [
        (0.0, 0.004, "0"),
        (0.002, 0.004, "0.002"),
        (-0.0006667, 0.004, "-0.0006667 (noise)"),
        (-0.02, 0.004, "-0.02 (better than float)"),
        (-0.02, None, "-0.02 (noise, or better than float)"),
    ],
)
def test_a_drop_below_zero_is_told_what_it_is(drop: float, width: float | None, told: str) -> None:
    assert told_drop(drop, *((None, None) if width is None else (drop - width, drop + width))) == told


def test_a_sentence_says_what_a_drop_below_zero_is(results: Results) -> None:
    made = results["met"]()
    made = replace(made, trial=replace(made.trial, holdout=score("holdout", -0.0006667)))
    assert "with a drop of -0.0006667 (noise) in exact" in verdict_sentence(made)


def test_throughput_is_in_samples_a_second(results: Results) -> None:
    rows = {row[0]: row[1:] for row in summary(results["throughput"]()).rows}
    assert rows["throughput"] == ("125 samples/s", "195.3 samples/s")
    assert rows["time per sample p50"][0] == "8 ms"
    assert "throughput" not in {row[0] for row in summary(results["met"]()).rows}


def test_a_corpus_metric_says_that_it_has_no_interval(results: Results) -> None:
    section = summary(results["corpus metric"]())
    assert "no interval" in section.remark
    assert section.rows[0][0] == "wer on the holdout (lower is better)"


def test_no_share_of_a_float_score_of_zero(results: Results) -> None:
    assert "% of float" not in str(summary(results["float scores zero"]()).rows)


def test_every_trial_has_a_row_and_the_returned_one_is_named(results: Results) -> None:
    made = results["met"]()
    rows = trials(made).rows
    assert [row[0].removesuffix(" (returned)") for row in rows] == ["float", *(t.plan.full_title for t in made.trials)]
    assert sum(row[0].endswith("(returned)") for row in rows) == 1


def test_the_walk_says_where_it_ends(results: Results) -> None:
    assert [row[-1] for row in walk(results["met"]()).rows] == ["inside", "outside: the walk ends"]
    assert "No plan was walked" in walk(results["float"]()).remark


def test_points_leave_out_what_was_not_measured(results: Results) -> None:
    points = points_of(results["met"]())
    assert len(points) == 4
    assert [point.kind for point in points] == ["float", "outside", "inside", "returned"]


def test_the_budget_line_is_the_drop_allowed(results: Results) -> None:
    assert limit_of(results["met"]()) == pytest.approx(0.0085)
    assert limit_of(replace(results["applied"](), trials=())) is None


def test_the_picture_of_the_drop_holds_all_that_decides(results: Results) -> None:
    picture = drop_picture(results["met"]())
    assert picture is not None
    assert picture.title == "drop 0.006, 95 % interval 0.002 to 0.01; 0.0085 is allowed"
    places = [picture.axis(value) for value in (picture.low, picture.drop, picture.allowed, picture.high)]
    assert places == sorted(places)
    assert picture.inside
    assert drop_picture(replace(results["met"](), budget=Budget(max_latency_ms=5.0))) is None


@pytest.mark.parametrize("low", [float("-inf"), float("nan")])
def test_a_drop_without_a_finite_interval_is_drawn_without_one(results: Results, low: float) -> None:
    made = results["met"]()
    assert made.trial.holdout is not None
    open_ended = Scores((replace(made.trial.holdout.main, low=low),))
    made = replace(made, trial=replace(made.trial, holdout=open_ended))
    picture = drop_picture(made)
    assert picture is not None
    assert (picture.low, picture.high) == (None, None)
    assert "interval" not in picture.title
    assert Html().render(made)
    endless = Scores((replace(open_ended.main, drop=float("inf")),))
    assert drop_picture(replace(made, trial=replace(made.trial, holdout=endless))) is None


def test_a_point_leads_to_the_row_of_its_trial(results: Results) -> None:
    made = results["met"]()
    rows = trials(made).rows
    for point in points_of(made):
        assert rows[point.trial][0].removesuffix(" (returned)") == point.title.partition(":")[0]


def test_the_times_of_trials_are_relative_to_the_same_float(results: Results) -> None:
    made = results["met"]()
    assert made.trials[0].timing is not None
    busy = replace(made.trials[0].timing, p50_ms=50.0, float_p50_ms=62.5)
    row = trials(replace(made, trials=(replace(made.trials[0], timing=busy),))).rows[-1]
    assert row[1:7] == ("0.85", "0.73", "+0.12", "outside", "6.4 ms", "1.25×")


def test_a_drop_far_outside_stays_on_the_chart(results: Results) -> None:
    made = results["met"]()
    assert made.trials[0].search is not None
    score = replace(made.trials[0].search.main, drop=1e9, excess=1e9)
    far = replace(made.trials[0], search=Scores((score,)))
    text = Html().render(replace(made, trials=(far, *made.trials[1:])))
    heights = [float(value) for name, value in Page(text).attributes if name == "cy" and value]
    # One more is of the picture of the drop.
    assert len(heights) == 5
    assert all(0 <= height <= 360 for height in heights)


def test_one_point_alone_is_drawn(results: Results) -> None:
    made = results["float"]()
    assert len(points_of(replace(made, trials=()))) == 1
    # One more is of the picture of the drop.
    assert Page(Html().render(replace(made, trials=()))).tags.count("circle") == 2


@pytest.mark.parametrize(("least", "step"), [(0.2, 0.2), (0.21, 0.5), (0.7, 1.0), (3, 5.0), (0.00012, 0.0002)])
def test_steps_are_round(least: float, step: float) -> None:
    assert round_step(least) == pytest.approx(step)


def test_ticks_lie_on_the_axis() -> None:
    axis = Axis(-0.013, 0.094, 0, 100)
    assert axis.ticks == pytest.approx([0.0, 0.05])
    assert all(axis.low <= tick <= axis.high for tick in axis.ticks)
    assert axis(axis.low) == 0
    assert axis(axis.high) == 100


def test_every_registered_report_is_rendered(results: Results) -> None:
    assert {"report.html", "report.md"} <= set(render_reports(results["met"]()))


def test_a_result_read_back_renders_the_same(tmp_path: Path, results: Results) -> None:
    made = results["met"]()
    made.write(tmp_path)
    assert Markdown().render(Result.load(tmp_path)) == Markdown().render(made)
    assert Html().render(Result.load(tmp_path)) == Html().render(made)


def test_a_trial_without_scores_is_listed_with_its_problem(results: Results) -> None:
    made = replace(results["met"](), trials=(Trial(Plan("x", Recipe()), problem="why"),))
    assert trials(made).rows[-1] == ("int8", *("–",) * 10, "why")


def test_the_front_is_listed_with_its_folders(results: Results) -> None:
    made = results["met"]()
    whole = replace(made, front=(replace(made.trial, holdout=made.trial.holdout),))
    assert "pareto/01" in Html().render(whole)
    assert "pareto/01" in Markdown().render(whole)
    assert "pareto" not in Html().render(made)


def test_values_are_drawn_over_their_grid(results: Results) -> None:
    made = results["met"]()
    assert spread_pictures(made) == []
    spread = Spread(-128.0, 128.0, (0, 4, 16, 0), -64, 64, 0.0125)
    grid = Quantizer("weights", 1, "kernel", "i8", 1, 0.1, 0.1, 0.0, 0.0, spread)
    operation = Operation("conv1", "Convolution", "int8", "i8", "", (grid, replace(grid, spread=None)))
    made = replace(made, operations=(operation,))
    (picture,) = spread_pictures(made)
    assert (picture.title, picture.remark) == ("weights of conv1, i8", "1.25% outside")
    assert picture.bars == ((0.0, 0.0), (80.0, 38.0), (160.0, 76.0), (240.0, 0.0))
    assert (picture.first, picture.last) == (80.0, 240.0)
    assert "weights of conv1, i8: 1.25% outside" in Html().render(made)
    rare = replace(grid, spread=replace(spread, clipped=1e-6))
    assert spread_pictures(replace(made, operations=(replace(operation, quantizers=(rare,)),)))[0].remark == (
        "less than 0.01% outside"
    )


def test_a_training_is_told_with_its_curve(results: Results) -> None:
    made = results["met"]()
    assert "<h2>Training</h2>" not in Html().render(made)
    curve = ((0, 0.4), (10, 9.0), (20, 0.2))
    taught = Taught("end-to-end", "0" * 16, "1" * 16, 90, 0, 60.0, 1e-3, 20, 20, 0.4, 0.2, curve, 2, {}, ("<so>",))
    made = replace(made, trial=replace(made.trial, plan=replace(made.trial.plan, taught=taught)))
    page = Html().render(made)
    assert "trained by end-to-end for up to 60 s: outputs are 0.2 from float&#39;s, and were 0.4 before" in page
    assert "&lt;so&gt;" in page
    picture = learning(made)
    assert picture is not None
    (first, high, low) = picture.marks
    # What diverged lies on the upper edge.
    assert high[1] == picture.up.last < first[1] < low[1]
