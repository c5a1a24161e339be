"""A configuration file: the options of a command in TOML; flags win."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import typer

from ovquant.errors import OutputError, UsageError

Parameter = Any
"""One of click's, of which typer has a copy of its own."""
GIVEN = ("COMMANDLINE", "DEFAULT_MAP")
"""Where values of a parameter come from that are not its default."""
NOT_KEPT = ("config", "save_config_to", "as_json", "force", "quiet", "verbose")
"""Options that say how one call goes, and not what is to be made."""


def read_config(context: typer.Context, path: Path | None) -> Path | None:
    """Take the options that a file holds where the command line has none, and say so."""
    if path is None:
        return None
    try:
        context.default_map = {**(context.default_map or {}), **options_in(path, context.command.params)}
    except UsageError as error:
        raise typer.BadParameter(str(error)) from error
    typer.echo(f"Options of {path} are taken where none are given here.", err=True)
    return path


def options_in(path: Path, parameters: Sequence[Parameter]) -> dict[str, Any]:
    """Return the options of a file by the names of parameters; raises UsageError naming what is wrong."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"The configuration '{path}' cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"The configuration '{path}' is not TOML: {error}.") from error
    known = {key_of(parameter): parameter for parameter in parameters if parameter.name not in NOT_KEPT}
    found = {}
    for key, value in values.items():
        parameter = known.get(key.replace("_", "-"))
        if parameter is None or parameter.name is None:
            near = get_close_matches(key.replace("_", "-"), known, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else f". It takes {', '.join(sorted(known))}."
            raise UsageError(f"The configuration '{path}' has '{key}', which is no option{hint}")
        found[parameter.name] = _value(value, parameter, f"'{key}' in '{path}'")
    return found


def save_config(context: typer.Context, path: Path) -> None:
    """Write the options of this call to a new file. Raises OutputError where something is there, or it cannot be written."""
    lines = ["# ovquant quantize --config FILE; flags win. Paths are as seen from where the command runs."]
    for parameter in context.command.params:
        name, value = parameter.name, context.params.get(parameter.name or "")
        if name is None or name in NOT_KEPT or value is None:
            continue
        source = context.get_parameter_source(name)
        if source is None or source.name not in GIVEN:
            continue
        lines.append(f"{key_of(parameter)} = {_toml(value)}")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
    except FileExistsError as error:
        raise OutputError(f"'{path}' is there already. Give another file with --save-config.") from error
    except OSError as error:
        raise OutputError(f"'{path}' cannot be written: {error.strerror}.") from error


def key_of(parameter: Parameter) -> str:
    """Return what an option is called in a file: its flag without dashes in front."""
    flag = max(parameter.opts, key=len)
    return str(flag).lstrip("-").replace("_", "-")


def _value(value: Any, parameter: Parameter, where: str) -> Any:
    """Return a value as the command line would give it."""
    if isinstance(value, Mapping):
        value = [f"{name}={item}" for name, item in value.items()]
    items = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str | int | float) for item in items):
        raise UsageError(f"{where} should be a text, a number, true or false, or a list of these.")
    if parameter.multiple:
        return [str(item) for item in items]
    if isinstance(value, list):
        raise UsageError(f"{where} is a list, and the option takes one value.")
    return value if isinstance(value, bool) else str(value)


def _toml(value: Any) -> str:
    """Return a value as TOML writes it; its basic strings are those of JSON."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value if isinstance(value, bool | int | float) else str(value), ensure_ascii=False)
