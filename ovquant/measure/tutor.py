"""Numbers of a plan that learn from the float model, and the files that they are kept in."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from hashlib import file_digest
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ovquant import runtime
from ovquant.domain.content import content_digest
from ovquant.domain.files import written
from ovquant.domain.profile import Profile
from ovquant.domain.progress import Progress, silent
from ovquant.domain.recipe import Recipe
from ovquant.domain.sample import arguments
from ovquant.domain.split import Subset
from ovquant.domain.taught import Taught
from ovquant.domain.typed import typed
from ovquant.errors import ModelError
from ovquant.graph.numbers import Numbers, float_weights, packed, stored_numbers, with_numbers
from ovquant.graph.precision import unpacked
from ovquant.plugins.loaders.module import load_module
from ovquant.plugins.loaders.torch import require_torch
from ovquant.plugins.registry import Registry
from ovquant.quantization import Compressed

if TYPE_CHECKING:
    from ovquant.lessons.course import Course

KEPT = 5
"""One sample of so many is not trained on, and tells when to end."""
MOST_KEPT = 64
"""Samples that tell when to end, at most."""
BESIDE = 10**9
"""The bytes that a training takes beside the module and what a step keeps, about."""
LIBRARIES = ("openvino", "nncf", "torch", "transformers")


@dataclass
class Tutor:
    """Trains the numbers of recipes; what was learned is kept in files of a folder, and told in a profile.

    `module` is what a model was exported from, as `load_module` takes it. `given` is the file of numbers that were learned before.
    """

    folder: Path
    profile: Profile
    module: Any = None
    given: Path | None = None
    progress: Progress = silent

    def known(self, recipe: Recipe, key: Mapping[str, Any]) -> tuple[Taught | None, Path] | None:
        """Return how the numbers of a recipe were trained, where that was here, and their file; None where they are not yet.

        Raises ModelError where they are gone, or are not those that the recipe names.
        """
        if recipe.trained:
            if self.given is None or not self.given.is_file():
                raise ModelError(
                    "The plan's numbers were trained, and plan.safetensors is not beside it. Put it there, or train anew with --retrain."
                )
            if digest_of(self.given) != recipe.trained:
                raise ModelError(f"'{self.given}' does not hold the numbers that the plan was measured with.")
            return None, self.given
        told = self.profile.recall("taught", key)
        if told is None:
            return None
        taught, file = typed(Taught, told), self._file(key)
        if not file.is_file() or digest_of(file) != taught.numbers:
            raise ModelError("What was learned is not there any more, so that it cannot be built again. Start anew.")
        return taught, file

    def learn(self, recipe: Recipe, key: Mapping[str, Any], base: Compressed, samples: Subset, seed: int) -> Path:
        """Train the numbers of a recipe, from those of its base, and return the file; a training that was killed goes on.

        Raises ModelError and DataError where the model or the data cannot be trained on.
        """
        if self.module is None:
            raise ModelError(
                "Training needs the PyTorch module that the model was exported from. Give it as --module: FILE.py:factory, or a folder "
                "that Transformers reads."
            )
        require_torch()
        require_safetensors()
        import torch

        file = self._file(key)
        file.parent.mkdir(parents=True, exist_ok=True)
        # The caller's own random numbers stay as they are.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            course = self._course(recipe, base, samples, seed, file)
            course.run()
        write_numbers(file, course.lesson.student.numbers())
        self.profile.record("taught", key, asdict(taught_by(course, recipe, samples, seed, digest_of(file))))
        course.file.unlink(missing_ok=True)
        return file

    def _course(self, recipe: Recipe, base: Compressed, samples: Subset, seed: int, file: Path) -> "Course":
        # What plans are measured with otherwise needs no torch.
        from ovquant.lessons.course import Course
        from ovquant.lessons.lesson import Lesson
        from ovquant.lessons.student import Student

        trainer = Registry("trainers").resolve(recipe.trainer)
        numbers = stored_numbers(base.model)
        weights = float_weights(base.original, numbers)
        student = Student(load_module(self.module), numbers, weights)
        places, kept = divided(samples, seed)
        lesson = Lesson(student, lambda place: arguments(samples[place]), places, kept, seed)
        if trainer.whole:
            _check_room(lesson.needed_bytes() + BESIDE)
        return Course(lesson, trainer, recipe.train_seconds, file.with_suffix(".course"), self.progress)

    def _file(self, key: Mapping[str, Any]) -> Path:
        return self.folder / f"learned-{content_digest(dict(key))[:16]}.safetensors"


def taught_by(course: "Course", recipe: Recipe, samples: Subset, seed: int, numbers: str) -> Taught:
    """Return the record of a training that has ended; numbers: the digest of what was learned."""
    import torch

    return Taught(
        trainer=recipe.trainer,
        numbers=numbers,
        data=samples.inputs,
        samples=len(samples),
        seed=seed,
        seconds=recipe.train_seconds,
        rate=course.rate,
        steps=course.steps,
        taken=course.taken,
        before=course.before,
        after=course.best,
        curve=tuple(course.curve),
        threads=torch.get_num_threads(),
        versions=versions(),
        notes=tuple(course.notes),
    )


def with_learned(base: Compressed, file: Path) -> Compressed:
    """Return a recipe's model with the numbers of a file; raises ModelError where they are of another model."""
    try:
        return replace(base, model=with_numbers(base.model, read_numbers(file)))
    except (ValueError, KeyError) as error:
        raise ModelError(f"The numbers in '{file}' are not of this model: {error}.") from error


def divided(samples: Subset, seed: int) -> tuple[list[int], list[int]]:
    """Return the places of the samples that are trained on, and of those that are not, whose groups are others'."""
    groups = list(samples.groups) or [str(place) for place in range(len(samples))]
    names = sorted(set(groups))
    order = [names[place] for place in np.random.default_rng(seed).permutation(len(names))]
    apart = set(order[: max(1, len(order) // KEPT)])
    kept = [place for place, group in enumerate(groups) if group in apart]
    return [place for place, group in enumerate(groups) if group not in apart], kept[:MOST_KEPT]


def write_numbers(file: Path, numbers: Mapping[str, Numbers]) -> None:
    """Write numbers as safetensors: for each weight its codes and zero points, two to a byte, and its scales in f16."""
    from safetensors.numpy import save_file

    tensors, told = dict[str, Any](), dict[str, Any]()
    for name, found in numbers.items():
        told[name] = {"kind": found.kind, "shape": found.codes.shape}
        tensors |= {f"{name}/codes": packed(found.codes), f"{name}/zero": packed(found.zero)}
        tensors[f"{name}/scale"] = found.scale.astype(np.float16)
    with written(file) as partial:
        save_file(tensors, partial, {"weights": json.dumps(told)})


def read_numbers(file: Path) -> dict[str, Numbers]:
    """Read what `write_numbers` wrote; raises ModelError where the library is missing, ValueError for another file."""
    require_safetensors()
    from safetensors import SafetensorError, safe_open

    found = {}
    try:
        with safe_open(file, "numpy") as opened:
            for name, told in json.loads((opened.metadata() or {})["weights"]).items():
                codes, zero, scale = (opened.get_tensor(f"{name}/{part}") for part in ("codes", "zero", "scale"))
                scale, kind = scale.astype(np.float32), told["kind"]
                found[name] = Numbers(
                    kind, unpacked(codes, kind, told["shape"]), scale, unpacked(zero, kind, list(scale.shape))
                )
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    return found


def require_safetensors() -> None:
    """Import safetensors, or raise ModelError saying how to install it."""
    try:
        import safetensors  # noqa: F401
    except ImportError as error:
        raise ModelError(
            f"Trained numbers are kept by safetensors, which cannot be imported ({error}). Install it: pip install ovquant[train]."
        ) from error


def digest_of(file: Path) -> str:
    """Return a digest of a file's bytes."""
    with file.open("rb") as opened:
        return file_digest(opened, "sha256").hexdigest()[:16]


def versions() -> dict[str, str]:
    """Return the versions of the libraries that trained numbers can depend on, as far as they are installed."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _check_room(needed: int) -> None:
    free = runtime.free_bytes()
    if needed > free:
        raise ModelError(
            f"Training needs about {needed / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free. What takes less: --trainer by-block, "
            "or shorter samples."
        )
