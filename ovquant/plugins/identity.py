"""A text that says which metric or plugin something is, the same in every process, and another once its code changes."""

import functools
import sys
import sysconfig
import types
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from ovquant.domain.content import content_digest

Code = types.CodeType


def identity(thing: Any) -> str:
    """Return the name of an object, its options and its state, and a digest of the code that it runs.

    The code of an object that the user wrote is its own, that of the whole module it comes from, and that of the user's
    modules, functions and values that it refers to, at every remove. Of an installed package it is the name and the
    version. Modules count by what is in them and not by where they lie, so that a renamed one loses no measurement.
    """
    reading = _Reading()
    reading.thing(thing)
    return f"{_name(thing)}#{reading.digest()}"


def _name(thing: Any) -> str:
    if isinstance(thing, functools.partial):
        return f"partial {_name(thing.func)}"
    named = thing if hasattr(thing, "__qualname__") else type(thing)
    return str(named.__qualname__)


class _Reading:
    """One reading of all that an object's behaviour rests on, each module, function and class once."""

    def __init__(self) -> None:
        self._hasher = sha256()
        self._seen: dict[int, Any] = {}

    def digest(self) -> str:
        """Return the digest of what was read."""
        return self._hasher.hexdigest()[:16]

    def _add(self, text: str) -> None:
        self._hasher.update(f"{len(text)}:{text}".encode())

    def thing(self, thing: Any) -> None:
        """Read an object: a function, a class, a module, or an instance with its state."""
        if isinstance(thing, _VALUES):
            self._add(content_digest(thing))
            return
        if id(thing) in self._seen:
            return
        self._seen[id(thing)] = thing
        match thing:
            case functools.partial():
                for part in (thing.func, thing.args, thing.keywords):
                    self.thing(part)
            case types.ModuleType():
                self._module(thing)
            case types.FunctionType():
                self._function(thing)
            case types.MethodType():
                self.thing(thing.__func__)
                self.thing(thing.__self__)
            case staticmethod() | classmethod():
                self.thing(thing.__func__)
            case property():
                self._items(enumerate((thing.fget, thing.fset, thing.fdel)))
            case functools.cached_property():
                self.thing(thing.func)
            case types.MemberDescriptorType() | types.GetSetDescriptorType():
                self._add(thing.__name__)
            case type():
                self._class(thing)
            case dict():
                self._items(thing.items())
            case list() | tuple() | set() | frozenset():
                self._items(enumerate(thing))
            case _:
                self._instance(thing)

    def _items(self, items: Any) -> None:
        for key, value in items:
            self._add(content_digest(key))
            self.thing(value)

    def _instance(self, thing: Any) -> None:
        self._add(_name(thing))
        self._class(type(thing))
        state = None if hasattr(thing, "__array__") else getattr(thing, "__dict__", None)
        if state is None:
            self._add(content_digest(thing))
        else:
            # Names of fields, in an order of their own; values are read as what they are, functions included.
            self._items(sorted(state.items()))

    def _class(self, kind: type) -> None:
        for base in kind.__mro__:
            if base is object or (id(base) in self._seen and base is not kind):
                continue
            self._seen[id(base)] = base
            self._add(base.__qualname__)
            module = sys.modules.get(base.__module__)
            if module is not None:
                self.thing(module)
            if _is_users(module):
                self._items(sorted((name, value) for name, value in vars(base).items() if name not in _DULL))

    def _function(self, function: types.FunctionType) -> None:
        self._add(function.__qualname__)
        module = sys.modules.get(function.__module__)
        if module is not None:
            self.thing(module)
        if not _is_users(module):
            return
        for code in _codes(function.__code__):
            self._add(f"{code.co_code.hex()} {code.co_names}")
            self._items(enumerate(constant for constant in code.co_consts if not isinstance(constant, Code)))
        self._items(enumerate((function.__defaults__, function.__kwdefaults__)))
        self._items(enumerate(_contents(function)))
        names = sorted({name for code in _codes(function.__code__) for name in code.co_names})
        self._items((name, function.__globals__[name]) for name in names if name in function.__globals__)

    def _module(self, module: types.ModuleType) -> None:
        """Read a module's file, and what the user's own modules refer to that is the user's too."""
        file, package = getattr(module, "__file__", None), module.__name__.partition(".")[0]
        if package == "ovquant":
            self._add(_digest_of(file))
        elif _is_users(module):
            self._add(_digest_of(file))
            # What a file is run as has no file that stands for it: what its functions refer to is read with them.
            if file is not None:
                self._helpers(module)
        else:
            self._add(f"{package} {getattr(sys.modules.get(package), '__version__', '')}")

    def _helpers(self, module: types.ModuleType) -> None:
        for value in vars(module).values():
            helper = (
                value
                if isinstance(value, types.ModuleType)
                else sys.modules.get(getattr(value, "__module__", "") or "")
            )
            if helper is not None and helper is not module and _is_users(helper):
                self.thing(helper)


_VALUES = (type(None), bool, int, float, complex, str, bytes, Path)
_DULL = (
    "__dict__",
    "__weakref__",
    "__module__",
    "__doc__",
    "__annotations__",
    "__dataclass_fields__",
    "__dataclass_params__",
    "_abc_impl",
)
"""Attributes of a class that say nothing of what it does, or where it lies."""


def _codes(code: Code) -> Iterator[Code]:
    """Yield a function's code and that of the functions within it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, Code):
            yield from _codes(constant)


def _contents(function: types.FunctionType) -> Iterator[Any]:
    """Yield what a function closes over."""
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # a name that is not bound yet
            yield None


@functools.cache
def _installed() -> tuple[Path, ...]:
    return tuple({Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")})


def _is_users(module: Any) -> bool:
    """Tell whether a module is the user's own, and no part of Python, of ovquant, or of an installed package."""
    if not isinstance(module, types.ModuleType) or module.__name__.partition(".")[0] == "ovquant":
        return False
    if module.__name__ == "__main__":
        return True
    file = getattr(module, "__file__", None)
    if file is None:
        return False
    path = Path(file).resolve()
    return not any(path.is_relative_to(folder) for folder in _installed()) and "site-packages" not in path.parts


def _digest_of(file: str | None) -> str:
    """Return the digest of a module's source, or that it has none."""
    path = None if file is None else Path(file)
    return "no file" if path is None or not path.is_file() else sha256(path.read_bytes()).hexdigest()
