"""Change one line of each tested module, and see whether its test file fails: `python tests/mutate.py [--seed N] [ROOM ...]`.

It works in a copy of the repository, and prints per module whether the change was noticed, and the line before and after it.
"""

import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("api", "search", "measure", "domain", "stats", "graph", "quantization", "runtime")
FLIPPED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}


def changes(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the line of each change that can be made, and the source after it, one change at a time."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            kept, node.ops = node.ops, [FLIPPED[type(node.ops[0])]()]
            yield node.lineno, ast.unparse(tree)
            node.ops = kept
        elif isinstance(node, ast.BoolOp):
            before = node.op
            node.op = ast.Or() if isinstance(before, ast.And) else ast.And()
            yield node.lineno, ast.unparse(tree)
            node.op = before
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            operator = node.op
            node.op = ast.Sub() if isinstance(operator, ast.Add) else ast.Add()
            yield node.lineno, ast.unparse(tree)
            node.op = operator
        elif isinstance(node, ast.Return) and node.value is not None and not isinstance(node.value, ast.Constant):
            value, node.value = node.value, ast.Constant(None)
            yield node.lineno, ast.unparse(tree)
            node.value = value


def tried(copy: Path, module: Path, seed: int) -> str:
    """Change a line of a module, run its tests, put the line back, and say what came of it."""
    path = copy / module
    source = path.read_text(encoding="utf-8")
    found = list(changes(ast.parse(source)))
    if not found:
        return "nothing to change"
    line, changed = random.Random(f"{module} {seed}").choice(found)
    path.write_text(changed, encoding="utf-8")
    tests = Path("tests") / module.relative_to("ovquant").parent / f"test_{module.name}"
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", str(tests)]
    try:
        done = subprocess.run(
            command, cwd=copy, capture_output=True, text=True, timeout=300, env={**os.environ, "PYTHONPATH": str(copy)}
        )
        noticed = done.returncode in (1, 2)
    except subprocess.TimeoutExpired:
        noticed = True
    finally:
        path.write_text(source, encoding="utf-8")
    before, after = ast.unparse(ast.parse(source)).splitlines(), changed.splitlines()
    old, new = next((old.strip(), new.strip()) for old, new in zip(before, after, strict=True) if old != new)
    return f"{'noticed' if noticed else 'MISSED'}: line {line}: {old}  →  {new}"


def main() -> None:
    """Try a line of each module of the rooms named, of all by default."""
    arguments = sys.argv[1:]
    seed = int(arguments.pop(arguments.index("--seed") + 1)) if "--seed" in arguments else 0
    rooms = [name for name in arguments if name != "--seed"] or list(ROOMS)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        shutil.copytree(
            ROOT, copy, ignore=shutil.ignore_patterns(".*", "out", "build", "*.egg-info", "__pycache__"), symlinks=True
        )
        for room in rooms:
            for path in sorted((ROOT / "ovquant" / room).glob("*.py")):
                if path.name != "__init__.py":
                    module = path.relative_to(ROOT)
                    print(f"{module}: {tried(copy, module, seed)}", flush=True)


if __name__ == "__main__":
    main()
