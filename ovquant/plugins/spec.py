"""The grammar NAME:key=value, and values to the types of a plugin's fields."""

import dataclasses
import importlib
import importlib.util
import re
import sys
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

from ovquant.errors import PluginError, UsageError

PACKAGES = {
    ("strategies", "evolutionary"): "ovquant-optuna",
    ("strategies", "qubo"): "ovquant-qubo",
    ("exporters", "onnx"): "ovquant-onnx",
    ("executors", "dask"): "ovquant-dask",
}
"""Plugins of this project that are installed separately: what to install when their name is unknown."""


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
