"""A report as one HTML file without scripts or outside files; the template escapes every name in it."""

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, ClassVar

from ovquant.plugins.reports.figures import printable
from ovquant.plugins.reports.glance import layers_remark, lines, steps, tiles
from ovquant.plugins.reports.pictures import drop_picture, learning, scatter, spread_pictures
from ovquant.plugins.reports.sections import TRIALS, circumstances, summary, tables
from ovquant.plugins.reports.sentences import verdict_sentence

if TYPE_CHECKING:
    from jinja2 import Template

    from ovquant.domain.result import ResultRecord

WHOLE = 30
"""Characters up to which a cell is not broken inside a word."""


@cache
def template() -> "Template":
    """Return the template of the page."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("ovquant.plugins.reports")
    return Environment(autoescape=True, undefined=StrictUndefined, loader=loader).get_template("report.html.jinja")


@dataclass(frozen=True)
class Html:
    """Write report.html: the whole result in one file, to be opened in any browser."""

    filename: ClassVar[str] = "report.html"

    def render(self, result: "ResultRecord") -> str:
        """Return the text of the file."""
        page = template().render(
            result=result,
            sentence=verdict_sentence(result),
            tiles=tiles(result),
            drop=drop_picture(result),
            summary=summary(result),
            steps=steps(result),
            chart=scatter(result),
            tables=tables(result),
            trials_title=TRIALS,
            layers=lines(result),
            layers_remark=layers_remark(result),
            curve=learning(result),
            spreads=spread_pictures(result),
            circumstances=circumstances(result),
            plan=json.dumps(result.plan.to_json(), indent=2),
            whole=WHOLE,
        )
        return printable(page) + "\n"
