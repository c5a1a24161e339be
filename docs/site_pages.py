"""What the site has beside the files of this folder: the README as its first page, the changelog, and reference pages from the code.

MkDocs calls the functions whose names begin with `on_`.
"""

import json
import re
from pathlib import Path
from typing import Any

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from typer.cli import get_docs_for_click

ROOT = Path(__file__).resolve().parents[1]
API = """# Python

What `import ovquant` gives. All else is an inner matter, and may change.
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that lie elsewhere or are made from the code."""
    made = {"index.md": readme(), "changelog.md": text("CHANGELOG.md"), "cli.md": commands(), "api.md": api()}
    made["schemas.md"] = schemas()
    for name, content in made.items():
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Name a file outside this folder instead of linking to it: the site does not hold it."""
    return re.sub(r"\[([^\]]+)\]\(\.\./([^)]+)\)", _named, markdown)


def _named(found: re.Match[str]) -> str:
    title, path = found[1], found[2]
    return f"`{path}`" if title.strip("`") in path else f"{title} (`{path}`)"


def text(name: str) -> str:
    """Return a file of the top folder, with its links as they are from here."""
    content = (ROOT / name).read_text(encoding="utf-8")
    inside = re.sub(r"\]\(docs/([^)]+)\)", r"](\1)", content).replace("](CHANGELOG.md)", "](changelog.md)")
    inside = re.sub(r"\[docs/([\w-]+)\.md\]", lambda found: f"[{found[1].replace('-', ' ')}]", inside)
    return re.sub(
        r"\]\(((?!https?:|#)[^)]+)\)", lambda found: found[0] if _is_page(found[1]) else f"](../{found[1]})", inside
    )


def _is_page(link: str) -> bool:
    name = link.partition("#")[0]
    return (ROOT / "docs" / name).is_file() or name in ("changelog.md", "README.md")


def readme() -> str:
    """Return the README."""
    return text("README.md").replace("](README.md", "](index.md")


def commands() -> str:
    """Return every command with its options, as `--help` has them."""
    from ovquant.cli.app import app

    command = typer.main.get_command(app)
    context = typer.Context(command, info_name="ovquant")
    made = get_docs_for_click(obj=command, ctx=context, name="ovquant", title="Commands")
    # Texts of options are no HTML.
    return re.sub(r"<(?=[a-zA-Z/])", "&lt;", made)


def api() -> str:
    """Return a page with the public names of the package, each from its docstring."""
    import ovquant

    return API + "\n".join(f"\n::: ovquant.{name}\n" for name in sorted(ovquant.__all__) if name != "__version__")


def schemas() -> str:
    """Return a page with the JSON Schema of every kind of document."""
    from ovquant.cli.documents import schema_of
    from ovquant.cli.schema import KINDS

    parts = [
        f"## {kind}\n\nFrom {home}.\n\n```json\n{json.dumps(schema_of(kind), indent=2)}\n```\n"
        for kind, home in KINDS.items()
    ]
    return "\n".join(["# Schemas of JSON documents\n", *parts])
