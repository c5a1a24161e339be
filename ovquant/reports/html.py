"""A report as one HTML file without scripts or outside files."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from ovquant.results import Result


@dataclass(frozen=True)
class Html:
    filename: ClassVar[str] = "report.html"

    def render(self, result: "Result") -> str:
        return "<html></html>"
