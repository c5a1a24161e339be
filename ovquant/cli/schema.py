"""The command `schema`: the JSON Schema of what `--json` prints and of the files of a result."""

import json
from typing import Annotated

import typer

from ovquant.cli.errors import guarded
from ovquant.cli.text import show, table_of
from ovquant.errors import UsageError

KINDS = {
    "result": "`quantize`, `apply`, `refresh` and `demo`; result.json",
    "plan": "plan.json",
    "trial": "`plan`: the plan that it picks, as it was measured",
    "profile": "`profile`",
    "profile-line": "a line of profile.jsonl",
    "preview": "`quantize --dry-run`",
    "check": "`check`",
    "export": "`export`",
    "evaluate": "`evaluate`",
    "benchmark": "`benchmark`",
    "compare": "`compare`",
    "diff": "`diff`",
    "report": "`report`",
    "inspect": "`inspect`",
    "devices": "`devices`",
    "plugins": "`plugins`",
    "error": "any command that fails",
}
"""Where each kind of document comes from."""


def schema(
    kind: Annotated[
        str | None,
        typer.Argument(metavar="[KIND]", help="Print the schema of this kind of document.", show_default=False),
    ] = None,
) -> None:
    """Print the JSON Schema of a document that --json prints or a file holds, or list the kinds."""
    if kind is None:
        show(table_of("", {"kind": False, "comes from": False}, [[name, home] for name, home in KINDS.items()]))
        return
    with guarded(as_json=False):
        if kind not in KINDS:
            raise UsageError(f"There is no kind of document '{kind}'. The kinds: {', '.join(KINDS)}.")
        from ovquant.cli.documents import schema_of

        found = schema_of(kind)
    print(json.dumps(found, indent=2))
