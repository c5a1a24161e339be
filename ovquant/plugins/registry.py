"""One generic registry of plugins over importlib.metadata entry points.

One grammar everywhere: `NAME`, `FILE.py:NAME` or `package.module:NAME`, then optionally
`:key=value,key=value`; a value with several parts separates them with `;`.
"""

import difflib
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from ovquant.errors import PluginError, UnknownPluginError, UsageError
from ovquant.plugins.spec import PACKAGES, _default, _is_required, _options, create, import_object, parse_spec

KINDS = ("loaders", "datasets", "metrics", "recipes", "strategies", "reports", "exporters", "executors", "trainers")
"""Every kind of plugin; the entry-point group of a kind is `ovquant.<kind>`."""


@dataclass(frozen=True)
class Listing:
    """One registered plugin as `ovquant plugins` shows it; `problem` is the cause when it is broken."""

    kind: str
    name: str
    distribution: str
    summary: str = ""
    options: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class Registry:
    """The plugins of one kind."""

    kind: str

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UsageError(f"'{self.kind}' is not a kind of plugin; the kinds: {', '.join(KINDS)}.")

    def names(self) -> list[str]:
        """Return every registered name, broken ones included, sorted."""
        return sorted({point.name for point in self._points()})

    def get(self, name: str) -> Any:
        """Import what a registered name stands for, without making an instance."""
        found = [point for point in self._points() if point.name == name]
        if not found:
            raise UnknownPluginError(self._unknown(name))
        if len(found) > 1:
            homes = " and ".join(sorted(_distribution(point) for point in found))
            raise PluginError(f"{self.kind} plugin '{name}' is registered by {homes}. Uninstall one of them.")
        try:
            return found[0].load()
        except Exception as error:
            raise PluginError(
                f"{self.kind} plugin '{name}' of {_distribution(found[0])} cannot be imported: "
                f"{type(error).__name__}: {error}. Install what it needs, or uninstall it."
            ) from error

    def resolve(self, plugin: Any) -> Any:
        """Return an instance from a name with options, a `FILE.py:NAME`, or the object itself."""
        if not isinstance(plugin, str):
            return plugin
        spec = parse_spec(plugin)
        factory = import_object(spec.name) if spec.module else self.get(spec.name)
        return create(factory, spec.options, what=f"{self.kind} plugin '{spec.name}'")

    def working(self) -> dict[str, Any]:
        """Return every plugin that imports, by name; broken ones are left to `listings`."""
        found = {}
        for name in self.names():
            try:
                found[name] = self.get(name)
            except PluginError:
                continue
        return found

    def listings(self) -> list[Listing]:
        """Describe every plugin of this kind, broken ones with the cause."""
        return [self._listing(name) for name in self.names()]

    def _listing(self, name: str) -> Listing:
        homes = " and ".join(sorted(_distribution(point) for point in self._points() if point.name == name))
        try:
            factory = self.get(name)
        except PluginError as error:
            return Listing(self.kind, name, homes, problem=str(error))
        summary = (factory.__doc__ or "").strip().partition("\n")[0]
        return Listing(self.kind, name, homes, summary, option_texts(factory))

    def _points(self) -> list[EntryPoint]:
        points = entry_points(group=f"ovquant.{self.kind}")
        return list({(point.name, point.value, _distribution(point)): point for point in points}.values())

    def _unknown(self, name: str) -> str:
        known = self.names()
        close = difflib.get_close_matches(name, known, n=3)
        hint = f"Did you mean {', '.join(close)}?" if close else f"Registered: {', '.join(known)}."
        package = PACKAGES.get((self.kind, name))
        if package:
            hint = f"Install it from a clone of ovquant: pip install ./plugins/{package}."
        return f"There is no {self.kind} plugin '{name}'. {hint} Or give FILE.py:NAME."


def option_texts(factory: Any) -> tuple[str, ...]:
    """Return `name=default` for each option of a plugin class."""
    return tuple(
        name if _is_required(field) else f"{name}={_default(field)!r}" for name, field in _options(factory).items()
    )


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "an unknown distribution"
