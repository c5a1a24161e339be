"""What a plugin must do: one Protocol per kind, matched by structure, never subclassed.

Every implementation is a frozen dataclass whose fields are its options, so that `NAME:key=value`
on the command line is `Class(key=value)` in Python. The registry does the coercion.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from ovquant.domain.sample import Outputs, Sample

if TYPE_CHECKING:
    import openvino

    from ovquant.domain.recipe import Recipe
    from ovquant.domain.result import ResultRecord
    from ovquant.domain.table import Proposal, Table
    from ovquant.domain.task import Job, Task


@runtime_checkable
class DatasetReader(Protocol):
    """A dataset kind that is read from a path: the class's first field is `path`, the rest its options.

    Instances are datasets.
    """

    path: Path

    @staticmethod
    def accepts(path: Path) -> bool:
        """Tell from the name and shape of a path, cheaply, whether this kind reads it."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Sample: ...


@runtime_checkable
class Loader(Protocol):
    """Turns a file, folder or object into an `openvino.Model`."""

    def accepts(self, source: object) -> bool:
        """Tell, cheaply and without a heavy import, whether this loader reads the source."""

    def load(self, source: Any) -> "openvino.Model":
        """Return the model, or raise ModelError with the reader's cause."""


@runtime_checkable
class Metric(Protocol):
    """Outputs and targets to a score, in two steps, so that scores can be resampled and stopped early.

    `measure` turns a batch into one item per sample; `aggregate` turns all items into the score. When
    `is_mean` is true the items are numbers and the score is their mean. When `against` is "float" the
    targets are the float model's outputs for the same samples, one array (or mapping by output name)
    per sample with the batch axis, and labels are not needed; "targets" asks for labels. A metric may also have `bounds`,
    the least and the largest score there can be, of a sample where it is a mean: only with them, or with items of 0 and 1
    alone, can a mean's drop be certified, and a drop that allows every score is refused. Where scores can lie beyond what is
    of any use, as error rates above 1 do, `useful` says what they lie between. One against "float" that reads but little of its
    outputs may have `excerpt(outputs)`, which returns that for one sample: `measure` is then given it as the target, and it is
    kept, so that float need not run again beside each plan. One with `reads_texts` scores texts without targets by their own
    token ids, special ones and padding being -100. One with `reads_generated` gets the output `generated` beside the model's own, where
    the samples say what is to be written (`Generate`): a text, or token ids where nothing decodes them.
    """

    @property
    def higher_is_better(self) -> bool: ...

    @property
    def is_mean(self) -> bool: ...

    @property
    def against(self) -> str: ...

    def measure(self, outputs: Outputs, targets: Sequence[Any], /) -> Sequence[Any]:
        """Return one item per sample of the batch."""

    def aggregate(self, items: Sequence[Any], /) -> float:
        """Return the score of all samples."""


@runtime_checkable
class RecipePart(Protocol):
    """One choice of quantization settings; parts are joined with `+` into a recipe."""

    def extend(self, recipe: "Recipe") -> "Recipe":
        """Return the recipe with this choice made."""

    @staticmethod
    def offers(operation_types: Mapping[str, int]) -> Sequence[str]:
        """Return the options worth trying on a model with these counts of operation types.

        Each is the text behind `NAME:`, or "" for the defaults; none when the choice makes no sense for the model or
        is made on request alone.
        """


@runtime_checkable
class Strategy(Protocol):
    """Decides what to try next, from tables alone; it never touches a model."""

    def propose(self, table: "Table") -> "Proposal | None":
        """Return the next thing to try or to measure, or None to end the search."""


@runtime_checkable
class Report(Protocol):
    """Renders a result for people."""

    @property
    def filename(self) -> str: ...

    def render(self, result: "ResultRecord") -> str:
        """Return the text of the file."""


@runtime_checkable
class Exporter(Protocol):
    """Writes a saved result in the shape that another program reads.

    One that writes a file may have `wrote(target: Path) -> bool`, which tells whether a file is such an export that nobody
    has changed: only then `ovquant export --force` replaces it. What is in a folder ovquant keeps a record of.
    """

    def export(self, folder: Path, target: Path) -> None:
        """Write a result's folder to a file or folder, whole or not at all, in place of what is there."""


class Lesson(Protocol):
    """What a trainer learns from: a PyTorch module that answers as float, or as a student whose weights are rounded as a plan has them."""

    @property
    def module(self) -> Any:
        """Return the torch.nn.Module; asked by itself it answers as float."""

    @property
    def parameters(self) -> Sequence[Any]:
        """Return the tensors that can be learned."""

    @property
    def progress(self) -> float:
        """Return the share of the time that is used up, 0 to 1."""

    def batches(self, size: int, /) -> Iterator[Any]:
        """Yield batches of so many samples without end."""

    def ask(self, batch: Any, /) -> Any:
        """Ask the module, and return its outputs that are floats, a tensor each."""

    def rounding(self) -> AbstractContextManager[None]:
        """Have the module answer as the student for a while."""

    def loss(self, batch: Any, /) -> Any:
        """Return how far the student's outputs are from float's for a batch: a scalar tensor, which gradients can be had of."""


@runtime_checkable
class Trainer(Protocol):
    """A way in which the numbers of a plan learn to answer as the float model does, from inputs without labels."""

    @property
    def rates(self) -> tuple[float, ...]:
        """Return the learning rates to choose from."""

    @property
    def whole(self) -> bool:
        """Tell whether a step keeps what gradients of the whole module take, so that it is asked whether there is room for that."""

    def train(self, lesson: Lesson, rate: float, /) -> Iterator[float]:
        """Yield the loss of each step once it was taken, until there are no more.

        Whoever asks for steps ends when time is up or nothing is gained, and keeps the best moment by samples that the lesson does not
        give out.
        """


class Team(Protocol):
    """Workers that hold the same object, and answer tasks."""

    @property
    def workers(self) -> Sequence[str]:
        """Return what tells the workers apart for people; there is at least one."""

    def run(self, tasks: "Sequence[Task]", done: Callable[[int, str], None]) -> list[Any]:
        """Return the value of each task in the order of the tasks; `done` is told how many are done, and which worker did the last one.

        What a task raises is raised. A task whose worker is lost is another one's; raises ModelError where one costs too many
        workers, and ExecutorError where there is no team any more.
        """

    def close(self) -> None:
        """End all that is under way, and let go what the workers hold."""


@runtime_checkable
class Executor(Protocol):
    """Decides where plans are scored. One that accepts an object of a library may have `taking(given)`, which returns it or None."""

    def gather(self, job: "Job") -> Team | None:
        """Return workers that hold what a job says; None where the process that measures is to score alone.

        Raises ExecutorError where none can be had, and says why: OtherProcessorError where there are some of the same versions that
        compute otherwise, and the process that measures scores alone.
        """


@runtime_checkable
class Reaching(Executor, Protocol):
    """An executor that has functions called on other machines, which have names."""

    def call(self, machine: str, function: str, given: bytes, progress: Callable[[str, int, int], None]) -> bytes:
        """Return what a function, `module:name`, returns there for `given`, this executor as it is used there, and a progress callback.

        Raises ExecutorError where there is no such machine, or it was lost, and what the function raises. An interrupt ends it there too.
        """
