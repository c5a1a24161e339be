"""A report as one HTML file without scripts or outside files.

It is built as a tree, so that every name in it is escaped by whatever writes the tree.
"""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar
from xml.etree.ElementTree import Element, SubElement, tostring

from ovquant.plugins.reports.figures import printable
from ovquant.plugins.reports.scatter import scatter
from ovquant.plugins.reports.sections import Section, circumstances, summary, tables
from ovquant.plugins.reports.sentences import verdict_sentence

if TYPE_CHECKING:
    from ovquant.domain.result import ResultRecord


WHOLE = 30
"""Characters up to which a cell is not broken inside a word."""
STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #ffffff; --faint: #d0d7de; --good: #1a7f37; --bad: #cf222e;
  --mark: #0969da; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #0d1117; --faint: #30363d; --good: #3fb950;
  --bad: #f85149; --mark: #58a6ff; } }
body { color: var(--ink); background: var(--paper); font: 15px/1.5 system-ui, sans-serif; max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--faint); padding: 0.25rem 0.75rem 0.25rem 0; text-align: left;
  vertical-align: top; overflow-wrap: normal; }
.long { overflow-wrap: anywhere; }
.verdict { font-size: 1.2rem; border-left: 0.4rem solid var(--mark); padding-left: 0.8rem; }
.verdict.met { border-color: var(--good); }
.verdict.infeasible, .verdict.missed { border-color: var(--bad); }
pre { overflow-x: auto; border: 1px solid var(--faint); padding: 0.8rem; }
.chart { width: 100%; height: auto; }
.chart text { fill: var(--ink); font-size: 12px; }
.chart .grid { stroke: var(--faint); }
.chart .limit { stroke: var(--bad); stroke-dasharray: 6 4; }
.chart circle { stroke: var(--ink); fill: var(--faint); }
.chart .inside { fill: var(--good); }
.chart .outside { fill: var(--bad); }
.chart .returned { fill: var(--mark); stroke-width: 3; }
"""


@dataclass(frozen=True)
class Html:
    """Write report.html: the whole result in one file, to be opened in any browser."""

    filename: ClassVar[str] = "report.html"

    def render(self, result: "ResultRecord") -> str:
        """Return the text of the file."""
        page = Element("html", {"lang": "en"})
        _head(SubElement(page, "head"), result)
        body = SubElement(page, "body")
        _text(body, "h1", f"{result.provenance.model_name}: {result.verdict}")
        _text(body, "p", verdict_sentence(result), kind=f"verdict {result.verdict}")
        _section(body, summary(result))
        _chart(body, result)
        for section in tables(result):
            _section(body, section)
        _notes(body, result)
        for section in circumstances(result):
            _section(body, section)
        _text(body, "h2", "Plan")
        _text(body, "pre", json.dumps(result.plan.to_json(), indent=2))
        return "<!DOCTYPE html>\n" + printable(tostring(page, encoding="unicode", method="html")) + "\n"


def _head(head: Element, result: "ResultRecord") -> None:
    SubElement(head, "meta", {"charset": "utf-8"})
    SubElement(head, "meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"})
    _text(head, "title", f"ovquant: {result.provenance.model_name}, {result.verdict}")
    _text(head, "style", STYLE)


def _chart(body: Element, result: "ResultRecord") -> None:
    chart = scatter(result)
    if chart is None:
        return
    _text(body, "h2", "Trials")
    body.append(chart)
    _text(
        body,
        "p",
        "Lower left is better; hover over a point for its plan. The returned plan has a thick edge; a point on the upper edge lies beyond it.",
    )


def _section(body: Element, section: Section) -> None:
    _text(body, "h2", section.title)
    if section.remark:
        _text(body, "p", section.remark)
    if not section.rows:
        return
    table = SubElement(SubElement(body, "div", {"class": "scroll"}), "table")
    if any(section.header):
        header = SubElement(SubElement(table, "thead"), "tr")
        for name in section.header:
            _cell(header, "th", name)
    rows = SubElement(table, "tbody")
    for values in section.rows:
        row = SubElement(rows, "tr")
        for value in values:
            _cell(row, "td", value)


def _notes(body: Element, result: "ResultRecord") -> None:
    if not result.notes:
        return
    _text(body, "h2", "Notes")
    notes = SubElement(body, "ul")
    for note in result.notes:
        _text(notes, "li", note)


def _cell(row: Element, tag: str, text: str) -> None:
    """Add a cell; the names of plans may break anywhere, figures and headings nowhere but at spaces."""
    _text(row, tag, text, kind="long" if len(text) > WHOLE else "")


def _text(parent: Element, tag: str, text: str, *, kind: str = "") -> None:
    SubElement(parent, tag, {"class": kind} if kind else {}).text = text
