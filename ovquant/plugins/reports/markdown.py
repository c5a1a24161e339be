"""A report as one Markdown file, short enough for a pull request."""

import html
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ovquant.plugins.reports.figures import printable
from ovquant.plugins.reports.sections import Section, circumstances, summary, tables
from ovquant.plugins.reports.sentences import verdict_sentence

if TYPE_CHECKING:
    from ovquant.domain.result import ResultRecord


_SPECIAL = re.compile(r"([\\`*_\[\]|~#])")


@dataclass(frozen=True)
class Markdown:
    """Write report.md: the verdict and the summary, the rest folded away, to be pasted into a pull request."""

    filename: ClassVar[str] = "report.md"

    def render(self, result: "ResultRecord") -> str:
        """Return the text of the file."""
        blocks = [
            f"## {escape(result.provenance.model_name)}: {result.verdict}",
            escape(verdict_sentence(result)),
            _table(summary(result)),
            *(f"> {escape(note)}" for note in result.notes),
            *(_folded(section) for section in tables(result)),
            *(_folded(section) for section in circumstances(result) if section.rows),
        ]
        return printable("\n\n".join(blocks)) + "\n"


def escape(text: str) -> str:
    """Return a text that Markdown and HTML show as it is, on one line."""
    plain = " ".join(text.split())
    return _SPECIAL.sub(r"\\\1", html.escape(plain, quote=False))


def _folded(section: Section) -> str:
    body = "\n\n".join(part for part in (escape(section.remark), _table(section)) if part)
    return f"<details><summary>{html.escape(section.title)}</summary>\n\n{body}\n\n</details>"


def _table(section: Section) -> str:
    if not section.rows:
        return ""
    lines = [section.header, ("---",) * len(section.header)]
    text = [_row(lines[0]), "| " + " | ".join(lines[1]) + " |", *map(_row, section.rows)]
    return "\n".join(text)


def _row(values: tuple[str, ...]) -> str:
    return "| " + " | ".join(escape(value) for value in values) + " |"
