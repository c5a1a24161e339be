"""The shape of the house, as docs/architecture.md says it; `python tests/test_architecture.py` prints the figures."""

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import ovquant

PACKAGE = Path(ovquant.__file__).parent
TESTS = Path(__file__).parent
MOST_NAMES, MOST_FIELDS, MOST_METHODS, MOST_PARAMETERS, MOST_LINES = 18, 12, 15, 8, 40
TESTED = ("api", "search", "measure", "domain", "stats", "graph", "quantization", "runtime")
"""The rooms of which every module has a test file of the same place and name."""
RECORDS = {"Options", "Images", "Text", "Provenance", "ResultRecord", "Recipe", "Score", "Taught"}
"""Classes whose fields are a plugin's options or a file's schema."""
PUBLIC = {"quantize", "preview", "profile", "apply", "refresh", "guard"}
"""Public functions, whose keyword-only parameters are not counted."""


@cache
def modules() -> dict[str, ast.Module]:
    """Return the syntax tree of every module, by its dotted name."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def imports(tree: ast.Module) -> Iterator[str]:
    """Yield the modules of the package that one imports, wherever in it, type imports included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in modules() else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def arrows() -> dict[str, set[str]]:
    """Return which modules each module imports."""
    return {name: {other for other in imports(tree) if other in modules()} - {name} for name, tree in modules().items()}


def classes() -> Iterator[tuple[str, int, int]]:
    """Yield each class with its number of fields and of methods."""
    for tree in modules().values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                methods = [item for item in node.body if isinstance(item, ast.FunctionDef)]
                fields = [item for item in node.body if isinstance(item, ast.AnnAssign)]
                yield node.name, len(fields), len(methods)


def functions(*, commands: bool) -> Iterator[tuple[str, int, int]]:
    """Yield each function with its number of parameters, `self` left out, and of lines; commands: those of the CLI too."""
    for name, tree in modules().items():
        if name.startswith("ovquant.cli") and not commands:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                named = [item.arg for item in (*node.args.posonlyargs, *node.args.args)]
                count = len([item for item in named if item not in ("self", "cls")])
                count += 0 if node.name in PUBLIC else len(node.args.kwonlyargs)
                assert node.end_lineno is not None
                yield f"{name}.{node.name}", count, node.end_lineno - node.lineno + 1


def untested() -> list[str]:
    """Return the modules that have no test file of the same place and name."""
    paths = (path for room in TESTED for path in (PACKAGE / room).glob("*.py") if path.name != "__init__.py")
    places = (path.relative_to(PACKAGE) for path in paths)
    return sorted(str(place) for place in places if not (TESTS / place.parent / f"test_{place.name}").exists())


def names_at_the_top() -> set[str]:
    """Return the names of the modules and rooms at the top of the package."""
    return {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}


def in_ing() -> list[str]:
    """Return the files that are named in -ing."""
    return [str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*ing.py")]


def test_few_names_lie_at_the_top() -> None:
    assert len(names_at_the_top()) <= MOST_NAMES


def test_no_modules_import_each_other_in_a_circle() -> None:
    TopologicalSorter(arrows()).prepare()


def test_modules_are_named_by_nouns() -> None:
    assert len(in_ing()) <= 4
    assert not [place for place in in_ing() if "/" not in place]


def test_classes_are_small() -> None:
    assert [name for name, fields, _ in classes() if fields > MOST_FIELDS and name not in RECORDS] == []
    assert [name for name, _, methods in classes() if methods > MOST_METHODS] == []


def test_functions_are_small() -> None:
    assert [name for name, parameters, _ in functions(commands=False) if parameters > MOST_PARAMETERS] == []
    lines = [lines for *_, lines in functions(commands=True)]
    assert sum(count > MOST_LINES for count in lines) <= 0.01 * len(lines)


def test_every_module_has_its_test_file() -> None:
    assert untested() == []


def main() -> None:
    """Print the figures."""
    rooms = {
        (name.split(".")[1], other.split(".")[1])
        for name, found in arrows().items()
        for other in found
        if "." in name and "." in other
    }
    lines = [lines for *_, lines in functions(commands=True)]
    figures = {
        "names at the top": len(names_at_the_top()),
        "modules": len(modules()),
        "arrows between rooms": len([pair for pair in rooms if pair[0] != pair[1]]),
        "modules named in -ing": ", ".join(sorted(in_ing())),
        "most fields of a class that is no record": max(fields for name, fields, _ in classes() if name not in RECORDS),
        "most methods of a class": max(methods for *_, methods in classes()),
        "most parameters of a function": max(count for _, count, _ in functions(commands=False)),
        "functions": len(lines),
        "functions over 40 lines": sum(count > MOST_LINES for count in lines),
        "modules without a test file": len(untested()),
    }
    for name, figure in figures.items():
        print(f"{name}: {figure}")


if __name__ == "__main__":
    main()
