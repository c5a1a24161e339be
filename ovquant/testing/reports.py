"""Hold a report to its protocol."""

from pathlib import Path
from typing import Any

import pytest

from ovquant.plugins.protocols import Report
from ovquant.testing.plugins import PluginContract


class ReportContract(PluginContract):
    """Check a report. Give the fixtures `report` and `result`, an `ovquant` result to render."""

    @pytest.fixture
    def report(self) -> Report:
        """Return the report."""
        raise NotImplementedError("Override the fixture 'report'.")

    @pytest.fixture
    def result(self) -> Any:
        """Return a result."""
        raise NotImplementedError("Override the fixture 'result'.")

    @pytest.fixture
    def plugin(self, report: Report) -> Any:
        """Return the report."""
        return report

    def test_fits_the_protocol(self, report: Report) -> None:
        assert isinstance(report, Report)

    def test_filename_is_a_plain_name(self, report: Report) -> None:
        assert report.filename == Path(report.filename).name
        assert Path(report.filename).suffix

    def test_renders_text(self, report: Report, result: Any) -> None:
        text = report.render(result)
        assert isinstance(text, str)
        assert text.strip()
        text.encode("utf-8")

    def test_renders_the_same_again(self, report: Report, result: Any) -> None:
        assert report.render(result) == report.render(result)
