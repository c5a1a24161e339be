"""One generic registry of plugins over importlib.metadata entry points.

One grammar everywhere: `NAME`, `FILE.py:NAME` or `package.module:NAME`, then optionally
`:key=value,key=value`; a value with several parts separates them with `;`.
"""

import dataclasses
import difflib
import importlib
import importlib.util
import re
import sys
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from ovquant.errors import PluginError, UnknownPluginError, UsageError

KINDS = ("loaders", "datasets", "metrics", "recipes", "strategies", "reports", "exporters")
"""Every kind of plugin; the entry-point group of a kind is `ovquant.<kind>`."""

PACKAGES = {
    ("strategies", "evolutionary"): "ovquant-optuna",
    ("strategies", "qubo"): "ovquant-qubo",
    ("exporters", "onnx"): "ovquant-onnx",
}
"""Plugins of this project that are installed separately: what to install when their name is unknown."""


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
class Spec:
    """A plugin as written by a user: where it is and its options as text."""

    name: str
    options: Mapping[str, str]

    @property
    def module(self) -> str | None:
        """The file or module part of `FILE.py:NAME`, or None for a registered name."""
        return self.name.rpartition(":")[0] or None


def parse_spec(text: str) -> Spec:
    """Split `NAME:key=value,…` or `FILE.py:NAME:key=value,…` into name and options."""
    # The options start at the first `:key=`, since a value may hold a colon itself: `cer:decode=FILE.py:NAME`.
    start = re.search(r":\s*\w+\s*=", text)
    if start is None:
        return Spec(text, {})
    return Spec(text[: start.start()], parse_options(text[start.start() + 1 :], text))


def parse_options(text: str, whole: str) -> dict[str, str]:
    """Read `key=value,key=value`; `whole` names the option in the error."""
    options: dict[str, str] = {}
    for item in text.split(","):
        key, separator, value = item.partition("=")
        if not separator or not key.strip():
            raise UsageError(f"'{item}' in '{whole}' is not key=value. Write NAME:key=value,key=value.")
        options[key.strip()] = value.strip()
    return options


def import_object(reference: str) -> Any:
    """Import `FILE.py:NAME` or `package.module:NAME`; raise UsageError with the cause."""
    location, _, name = reference.rpartition(":")
    try:
        module = _import_file(Path(location)) if location.endswith(".py") else importlib.import_module(location)
    except UsageError:
        raise
    except Exception as error:
        raise UsageError(
            f"'{location}' of '{reference}' cannot be imported: {type(error).__name__}: {error}. "
            "Write FILE.py:NAME or package.module:NAME; options follow as :key=value."
        ) from error
    if not hasattr(module, name):
        raise UsageError(f"'{location}' has no '{name}'. It defines: {', '.join(_public(module)) or 'nothing'}.")
    return getattr(module, name)


def create(factory: Any, options: Mapping[str, Any], *, what: str) -> Any:
    """Call a plugin class with options coerced from its annotations; `what` names it in errors."""
    if not isinstance(factory, type):
        if options:
            raise UsageError(f"{what} takes no options; got {', '.join(options)}.")
        return factory
    fields = _options(factory)
    unknown = [name for name in options if name not in fields]
    if unknown:
        raise UsageError(
            f"{what} has no option '{unknown[0]}'. Its options: {', '.join(name for name in fields) or 'none'}."
        )
    hints = _hints(factory, what) if fields else {}
    values = {name: coerce(value, hints[name], f"{what}: {name}") for name, value in options.items()}
    missing = [name for name, field in fields.items() if _is_required(field) and name not in values]
    if missing:
        raise UsageError(f"{what} needs {', '.join(missing)}: write NAME:{missing[0]}=VALUE.")
    try:
        return factory(**values)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{what} cannot be made: {error}") from error


def coerce(value: Any, hint: Any, what: str) -> Any:
    """Turn text into the annotated type; values that are not text pass as they are."""
    if not isinstance(value, str):
        return value
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Union or origin is types.UnionType:
        if value.lower() in ("none", "") and type(None) in arguments:
            return None
        inner = [argument for argument in arguments if argument is not type(None)]
        return coerce(value, inner[0], what)
    if origin is typing.Literal:
        choices = {str(argument): argument for argument in arguments}
        if value not in choices:
            raise UsageError(f"{what} is '{value}'; choose one of {', '.join(choices)}.")
        return choices[value]
    if origin is tuple:
        return tuple(coerce(part, arguments[0], what) for part in value.split(";") if part)
    if hint is bool:
        if value.lower() not in ("true", "false", "1", "0", "yes", "no"):
            raise UsageError(f"{what} is '{value}'; write true or false.")
        return value.lower() in ("true", "1", "yes")
    try:
        return hint(value) if hint in (int, float, str, Path) else value
    except ValueError as error:
        raise UsageError(f"{what} is '{value}', which is not {hint.__name__}.") from error


@dataclass(frozen=True)
class Registry:
    """The plugins of one kind."""

    kind: str

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UsageError(f"'{self.kind}' is no kind of plugin; the kinds: {', '.join(KINDS)}.")

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
            hint = f"Install it: pip install {package}."
        return f"There is no {self.kind} plugin '{name}'. {hint} Or give FILE.py:NAME."


def option_texts(factory: Any) -> tuple[str, ...]:
    """Return `name=default` for each option of a plugin class."""
    return tuple(
        name if _is_required(field) else f"{name}={_default(field)!r}" for name, field in _options(factory).items()
    )


def _options(factory: Any) -> "dict[str, dataclasses.Field[Any]]":
    if not dataclasses.is_dataclass(factory):
        return {}
    return {field.name: field for field in dataclasses.fields(factory) if field.init}


def _hints(factory: Any, what: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(factory)
    except NameError as error:
        raise PluginError(f"{what} has an annotation that cannot be read: {error}. Import it at run time.") from error


def _default(field: "dataclasses.Field[Any]") -> Any:
    return field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default


def _is_required(field: "dataclasses.Field[Any]") -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "an unknown distribution"


def _public(module: ModuleType) -> list[str]:
    return [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise UsageError(f"The file '{path}' does not exist.")
    resolved = path.resolve()
    name = f"ovquant_user_{resolved.stem}_{sha256(str(resolved).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, resolved)
    if spec is None or spec.loader is None:
        raise UsageError(f"The file '{path}' is not a Python module.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    # As when the file is run as a script, it may import what lies beside it.
    sys.path.insert(0, str(resolved.parent))
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        sys.path.remove(str(resolved.parent))
    return module
