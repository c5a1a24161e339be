"""Find the dataset that a path, a name or an object means."""

import inspect
import types
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ovquant.domain.sample import Dataset
from ovquant.errors import DataError, OvquantError, UsageError
from ovquant.plugins.datasets.objects import dataset_of
from ovquant.plugins.registry import Registry
from ovquant.plugins.spec import coerce, create, import_object, parse_spec

_FORMS = "Write PATH[:key=value,…], FILE.py:NAME, package.module:NAME, or KIND:path=PATH."


def open_dataset(source: Any, *, tokenizer: Path | None = None) -> Dataset:
    """Return the dataset of a source. tokenizer: the model's own, which texts are read with unless they name another.

    As text or a Path: `PATH` or `PATH:key=value,…`, read by the registered kind that accepts the path;
    `KIND:path=PATH,…`, read by that kind; `FILE.py:NAME` or `package.module:NAME`, with options, which is a dataset
    class, a function that returns data, or data. As an object: a dataset, a sequence or iterable of samples, a torch
    DataLoader, or arrays `(inputs, targets)`; see `objects.dataset_of`.

    Raises DataError for data that is missing, empty, or read by no kind or several; UsageError for wrong options.
    """
    if isinstance(source, Path):
        return open_path(source, {}, tokenizer)
    if not isinstance(source, str):
        return dataset_of(source)
    if not source.strip():
        raise DataError(f"The data has no name. {_FORMS}")
    if Path(source).exists():
        return open_path(Path(source), {}, tokenizer)
    spec = parse_spec(source)
    if Path(spec.name).exists():
        return open_path(Path(spec.name), spec.options, tokenizer)
    if "path" in spec.options:
        return checked(Registry("datasets").resolve(source), f"'{source}'")
    if spec.module and (spec.module.endswith(".py") or is_module_name(spec.module)):
        return open_reference(spec.name, spec.options)
    raise DataError(f"There is no data '{spec.name}': the path does not exist. {_FORMS}")


def open_path(path: Path, options: Mapping[str, Any], tokenizer: Path | None = None) -> Dataset:
    """Read a path with the registered kind that accepts it; raise DataError when none or several do.

    tokenizer: what a kind with an option of this name is given where the options lack it.
    """
    if not path.exists():
        raise DataError(f"There is no data '{path}': the path does not exist.")
    kinds = Registry("datasets").working()
    accepting = [name for name, kind in kinds.items() if hasattr(kind, "accepts") and kind.accepts(path)]
    if not accepting:
        raise DataError(refusal(path))
    if len(accepting) > 1:
        raise DataError(
            f"'{path}' is read by several kinds of data: {', '.join(accepting)}. "
            f"Name the one to use, as in {accepting[0]}:path={path}."
        )
    kind, what = kinds[accepting[0]], f"the data '{path}' ({accepting[0]})"
    own = {} if tokenizer is None or "tokenizer" not in parameters_of(kind) else {"tokenizer": str(tokenizer)}
    return checked(create(kind, {**own, **options, "path": path}, what=what), f"'{path}'")


def open_reference(reference: str, options: Mapping[str, str]) -> Dataset:
    """Import `FILE.py:NAME` and make a dataset of it, calling classes and functions with the options."""
    found = import_object(reference)
    if isinstance(found, type | types.FunctionType | types.BuiltinFunctionType | partial):
        found = call(found, options, reference)
    elif options:
        raise UsageError(
            f"'{reference}' is data, not a class or function, so it takes no options: {', '.join(options)}."
        )
    return dataset_of(found, f"'{reference}'")


def call(factory: Any, options: Mapping[str, str], reference: str) -> Any:
    """Call a class or function with options coerced from its annotations; raise DataError with its cause."""
    if isinstance(factory, type) and hasattr(factory, "__dataclass_fields__"):
        return create(factory, options, what=f"'{reference}'")
    parameters = parameters_of(factory)
    accepts_any = any(item.kind is inspect.Parameter.VAR_KEYWORD for item in parameters.values())
    for name in options:
        if name not in parameters and not accepts_any:
            raise UsageError(f"'{reference}' has no option '{name}'. Its options: {', '.join(parameters) or 'none'}.")
    values = {
        name: coerce(value, parameters[name].annotation if name in parameters else str, f"'{reference}': {name}")
        for name, value in options.items()
    }
    try:
        return factory(**values)
    except OvquantError:
        raise
    except Exception as error:
        raise DataError(
            f"'{reference}' failed: {type(error).__name__}: {error}. Correct it; it was called with {values or 'nothing'}."
        ) from error


def parameters_of(factory: Any) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of a callable, with their types where these can be resolved; none for some built-ins."""
    try:
        return inspect.signature(factory, eval_str=True).parameters
    except NameError:
        return inspect.signature(factory).parameters
    except ValueError:
        return {}


def checked(dataset: Any, name: str) -> Dataset:
    """Return what a kind of data made, if it is a dataset with samples; raise DataError otherwise."""
    if not isinstance(dataset, Dataset):
        raise DataError(
            f"{name} was read as a {type(dataset).__name__}, which is not a dataset: it needs __len__ and __getitem__."
        )
    if len(dataset) == 0:
        raise DataError(f"{name} is empty. Give at least one sample.")
    return dataset


def refusal(path: Path) -> str:
    """Say which kinds of data there are, and what each reads."""
    listings = Registry("datasets").listings()
    kinds = " ".join(f"{item.name}: {item.summary}" for item in listings if not item.problem)
    broken = "".join(f" Broken: {item.problem}" for item in listings if item.problem)
    return f"No kind of data reads '{path}'. They do this — {kinds}{broken} Or give FILE.py:NAME, a class or function of yours."


def is_module_name(text: str) -> bool:
    """Tell whether text could be `package.module`."""
    return all(part.isidentifier() for part in text.split("."))
