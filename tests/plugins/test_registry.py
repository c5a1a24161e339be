"""Check the grammar of plugins, the coercion of options, and what is said of unknown, doubled and broken ones."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from ovquant.errors import PluginError, UnknownPluginError, UsageError
from ovquant.plugins import registry
from ovquant.plugins.metrics.classification import Accuracy
from ovquant.plugins.registry import Registry
from ovquant.plugins.spec import Spec, coerce, create, import_object, parse_spec


@dataclass(frozen=True)
class Options:
    """Have an option of every kind."""

    size: int
    rate: float = 0.5
    loud: bool = False
    mode: Literal["slow", "fast"] = "slow"
    level: Literal[1, 2] = 1
    file: Path | None = None
    types: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    limit: int | None = None
    call: str | Callable[[int], int] = ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("accuracy", Spec("accuracy", {})),
        ("accuracy:k=5", Spec("accuracy", {"k": "5"})),
        ("accuracy:k=5,axis=-1", Spec("accuracy", {"k": "5", "axis": "-1"})),
        ("mine.py:Score", Spec("mine.py:Score", {})),
        ("dir/mine.py:Score:k=5", Spec("dir/mine.py:Score", {"k": "5"})),
        ("package.module:Score:k=5", Spec("package.module:Score", {"k": "5"})),
        ("C:/dir/mine.py:Score:k=5", Spec("C:/dir/mine.py:Score", {"k": "5"})),
        ("cer:decode=mine.py:decode", Spec("cer", {"decode": "mine.py:decode"})),
        ("cer:decode=mine.py:decode,blank=1", Spec("cer", {"decode": "mine.py:decode", "blank": "1"})),
        ("keep:types=Add;Multiply", Spec("keep", {"types": "Add;Multiply"})),
        ("accuracy:output=", Spec("accuracy", {"output": ""})),
        ("accuracy: k = 5", Spec("accuracy", {"k": "5"})),
        ("accuracy:filter=a=b", Spec("accuracy", {"filter": "a=b"})),
    ],
)
def test_grammar(text: str, expected: Spec) -> None:
    assert parse_spec(text) == expected


@pytest.mark.parametrize("text", ["accuracy:k=5,axis", "accuracy:k=5,"])
def test_options_that_are_no_pairs(text: str) -> None:
    with pytest.raises(UsageError, match="is not key=value"):
        parse_spec(text)


def test_module_of_a_spec() -> None:
    assert parse_spec("accuracy:k=5").module is None
    assert parse_spec("a/mine.py:Score:k=5").module == "a/mine.py"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"size": "3"}, Options(3)),
        ({"size": 3, "types": ("a",)}, Options(3, types=("a",))),
        ({"size": "3", "rate": "1e-2", "loud": "Yes"}, Options(3, 0.01, True)),
        ({"size": "3", "loud": "0", "mode": "fast"}, Options(3, mode="fast")),
        ({"size": "3", "level": "2"}, Options(3, level=2)),
        ({"size": "3", "file": "a/b.txt"}, Options(3, file=Path("a/b.txt"))),
        ({"size": "3", "file": "none", "limit": ""}, Options(3)),
        ({"size": "3", "limit": "7"}, Options(3, limit=7)),
        ({"size": "3", "types": "Add;Multiply", "sizes": "1;2"}, Options(3, types=("Add", "Multiply"), sizes=(1, 2))),
        ({"size": "3", "call": "mine.py:f"}, Options(3, call="mine.py:f")),
        ({"size": "3", "call": abs}, Options(3, call=abs)),
    ],
)
def test_coercion(options: dict[str, Any], expected: Options) -> None:
    made = create(Options, options, what="options")
    assert made == expected
    assert type(made.level) is int


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": "three"}, "options: size is 'three', which is not int"),
        ({"size": "3", "rate": "x"}, "not float"),
        ({"size": "3", "loud": "maybe"}, "write true or false"),
        ({"size": "3", "mode": "medium"}, "choose one of slow, fast"),
        ({"size": "3", "level": "3"}, "choose one of 1, 2"),
        ({"size": "3", "sizes": "1;x"}, "not int"),
        ({"rate": "1"}, "needs size: write NAME:size=VALUE"),
        ({"size": "3", "sise": "4"}, "no option 'sise'. Its options: size, rate, loud, mode, level, file, types"),
    ],
)
def test_options_that_cannot_be_used(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        create(Options, options, what="options")


def test_a_value_that_the_plugin_refuses() -> None:
    @dataclass(frozen=True)
    class Picky:
        size: int = 1

        def __post_init__(self) -> None:
            if self.size < 1:
                raise ValueError("size must be positive")

    with pytest.raises(UsageError, match="picky cannot be made: size must be positive"):
        create(Picky, {"size": "-1"}, what="picky")


def test_functions_and_plain_classes_take_no_options() -> None:
    assert create(abs, {}, what="abs") is abs
    with pytest.raises(UsageError, match="abs takes no options; got k"):
        create(abs, {"k": "1"}, what="abs")
    with pytest.raises(UsageError, match="no option 'k'. Its options: none"):
        create(object, {"k": "1"}, what="thing")


def test_an_annotation_that_cannot_be_read() -> None:
    made = type("Odd", (), {"__annotations__": {"size": "Nowhere"}, "size": 1})
    with pytest.raises(PluginError, match="annotation that cannot be read"):
        create(dataclass(frozen=True)(made), {"size": "1"}, what="odd")


def test_values_that_are_not_text_pass() -> None:
    assert coerce([1], tuple[int, ...], "x") == [1]
    assert coerce("anything", Any, "x") == "anything"


def test_importing_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("from dataclasses import dataclass\n@dataclass(frozen=True)\nclass Score:\n    k: int = 1\n")
    made = Registry("metrics").resolve(f"{file}:Score:k=3")
    assert made.k == 3
    assert type(made) is import_object(f"{file}:Score")
    with pytest.raises(UsageError, match=r"has no 'Missing'. It defines: dataclass, Score"):
        import_object(f"{file}:Missing")


def test_files_of_one_name_do_not_meet(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text(f"value = '{folder}'\n")
    assert [import_object(f"{tmp_path}/{folder}/mine.py:value") for folder in ("one", "two")] == ["one", "two"]


def test_imports_that_fail(tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text("import no_such_module\n")
    for _ in range(2):  # the second time too: a half-imported module must not stay
        with pytest.raises(UsageError, match="ModuleNotFoundError: No module named 'no_such_module'"):
            import_object(f"{file}:Score")
    with pytest.raises(UsageError, match=r"missing.py' does not exist"):
        import_object(f"{tmp_path}/missing.py:Score")
    with pytest.raises(UsageError, match="options follow as :key=value"):
        Registry("metrics").resolve("accuracy:k")


def test_importing_from_a_package() -> None:
    assert Registry("metrics").resolve("ovquant.plugins.metrics.classification:Accuracy:k=5") == Accuracy(k=5)


def test_objects_pass_as_they_are() -> None:
    mine = Accuracy()
    assert Registry("metrics").resolve(mine) is mine


def test_unknown_kind() -> None:
    with pytest.raises(UsageError, match="is not a kind of plugin; the kinds: .*metrics"):
        Registry("metric")


def test_unknown_name_suggests_close_ones() -> None:
    with pytest.raises(UnknownPluginError, match="no metrics plugin 'acuracy'. Did you mean accuracy"):
        Registry("metrics").resolve("acuracy")


def test_unknown_name_with_nothing_close_lists_all() -> None:
    with pytest.raises(UnknownPluginError, match="Registered: accuracy, .*wer"):
        Registry("metrics").resolve("zzzzzz")


def test_unknown_name_of_a_known_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.PACKAGES, ("metrics", "elsewhere"), "ovquant-elsewhere")
    with pytest.raises(UnknownPluginError, match="from a clone of ovquant: pip install ./plugins/ovquant-elsewhere"):
        Registry("metrics").resolve("elsewhere")


def test_unknown_option_lists_the_fields() -> None:
    with pytest.raises(
        UsageError, match="metrics plugin 'accuracy' has no option 'top'. Its options: k, axis, threshold"
    ):
        Registry("metrics").resolve("accuracy:top=5")


Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Return a function that installs a distribution with metrics: a real folder of metadata on sys.path."""

    def add(name: str, source: str, **metrics: str) -> None:
        home = tmp_path / name
        module = name.replace("-", "_")
        metadata = home / f"{module}-1.0.dist-info"
        metadata.mkdir(parents=True)
        (home / f"{module}.py").write_text(source)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        points = "".join(f"{key} = {module}:{value}\n" for key, value in metrics.items())
        (metadata / "entry_points.txt").write_text(f"[ovquant.metrics]\n{points}")
        monkeypatch.syspath_prepend(str(home))

    return add


GOOD = """
from dataclasses import dataclass

@dataclass(frozen=True)
class Score:
    '''Score nothing at all.

    More words.
    '''

    k: int
    mode: str = "a"
"""


def test_an_installed_plugin_is_found(install: Install) -> None:
    install("tiny-plugin", GOOD, tiny="Score")
    assert Registry("metrics").resolve("tiny:k=3").k == 3
    listing = next(item for item in Registry("metrics").listings() if item.name == "tiny")
    assert (listing.kind, listing.distribution, listing.problem) == ("metrics", "tiny-plugin", "")
    assert listing.summary == "Score nothing at all."
    assert listing.options == ("k", "mode='a'")


def test_a_broken_plugin_breaks_nothing_else(install: Install) -> None:
    install("bad-plugin", "import no_such_module\n", bad="Score")
    metrics = Registry("metrics")
    assert "bad" in metrics.names()
    assert "bad" not in metrics.working()
    assert metrics.resolve("accuracy") == Accuracy()
    listing = next(item for item in metrics.listings() if item.name == "bad")
    assert listing.distribution == "bad-plugin"
    assert "No module named 'no_such_module'" in listing.problem
    with pytest.raises(PluginError, match="'bad' of bad-plugin cannot be imported: ModuleNotFoundError") as caught:
        metrics.resolve("bad")
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_a_plugin_whose_class_is_missing(install: Install) -> None:
    install("empty-plugin", "", hollow="Score")
    with pytest.raises(PluginError, match="'hollow' of empty-plugin cannot be imported: AttributeError"):
        Registry("metrics").resolve("hollow")


def test_a_doubled_name_names_both_distributions(install: Install) -> None:
    install("first-plugin", GOOD, doubled="Score", accuracy="Score")
    install("second-plugin", GOOD, doubled="Score")
    metrics = Registry("metrics")
    with pytest.raises(PluginError, match="'doubled' is registered by first-plugin and second-plugin. Uninstall one"):
        metrics.resolve("doubled")
    with pytest.raises(PluginError, match="'accuracy' is registered by first-plugin and ovquant"):
        metrics.resolve("accuracy")
    listing = next(item for item in metrics.listings() if item.name == "doubled")
    assert listing.distribution == "first-plugin and second-plugin"
    assert "Uninstall one" in listing.problem
    assert metrics.names().count("doubled") == 1


def test_one_distribution_found_twice_is_one(install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install("tiny-plugin", GOOD, tiny="Score")
    monkeypatch.syspath_prepend(str(tmp_path / "tiny-plugin" / "."))
    assert Registry("metrics").resolve("tiny:k=1").k == 1


def test_a_user_s_file_imports_what_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "beside_it.py").write_text("VALUE = 7\n")
    (tmp_path / "user.py").write_text("from beside_it import VALUE\n")
    before = list(sys.path)
    assert import_object(f"{tmp_path}/user.py:VALUE") == 7
    assert sys.path == before
