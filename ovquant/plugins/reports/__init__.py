"""Renderings of a result for people, one file each."""

from typing import TYPE_CHECKING

from ovquant.plugins.registry import Registry

if TYPE_CHECKING:
    from ovquant.domain.result import ResultRecord


def render_reports(result: "ResultRecord") -> dict[str, str]:
    """Return the text of every registered report by its file name; broken plugins render nothing."""
    reports = [plugin() for plugin in Registry("reports").working().values()]
    return {report.filename: report.render(result) for report in reports}
