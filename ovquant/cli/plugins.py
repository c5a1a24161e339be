"""The command `plugins`: every plugin, its options and where it comes from."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from ovquant.cli import options
from ovquant.cli.errors import guarded
from ovquant.cli.text import print_json, show, table_of

if TYPE_CHECKING:
    from ovquant.plugins.registry import Listing


def plugins(as_json: options.AsJson = False) -> None:
    """List every plugin of every kind, its options and where it comes from."""
    with guarded(as_json=as_json):
        from ovquant.plugins.registry import KINDS, Registry

        found = {kind: Registry(kind).listings() for kind in KINDS}
    if as_json:
        print_json("plugins", {"plugins": [asdict(listing) for listings in found.values() for listing in listings]})
        return
    columns = {"name": False, "from": False, "what it does": False, "options": False}
    for kind, listings in found.items():
        show(table_of(kind, columns, [plugin_row(listing) for listing in listings]), "")


def plugin_row(listing: "Listing") -> list[str]:
    """Return one line of the table; a broken plugin shows its cause."""
    what = f"broken: {listing.problem}" if listing.problem else listing.summary
    return [listing.name, listing.distribution, what, ", ".join(listing.options)]
