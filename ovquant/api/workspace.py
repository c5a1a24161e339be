"""The folder of a run: DIR.partial until the result is finished."""

import contextlib
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ovquant.api.result import Result
from ovquant.domain.digest import MODEL
from ovquant.domain.files import TemporaryFolder
from ovquant.domain.holdout_log import carry
from ovquant.domain.place import Place, disk_error, find_place, refuse_content, refuse_partial, writing
from ovquant.domain.profile import Profile
from ovquant.domain.record import NUMBERS, Record, edited
from ovquant.domain.result import CANDIDATE
from ovquant.domain.swap import EDITED, clear, move_into_place
from ovquant.domain.trial import Trial
from ovquant.errors import OvquantError
from ovquant.measure.workbench import Workbench


def save_plan(bench: Workbench, trial: Trial, folder: Path) -> None:
    """Put a trial's model and plan into a folder of its own, in place of what is there."""
    with Place(folder, folder).scratch() as made:
        take_model(bench.instruments.build(trial.plan), made)
        trial.plan.save(made / "plan.json")
        move_into_place(made, folder)


def take_model(built: Path, folder: Path) -> None:
    """Copy the files of a model that was built into a folder, and the numbers that were trained for it, where some were."""
    for name in (*MODEL, NUMBERS):
        if name in MODEL or built.with_name(name).is_file():
            shutil.copy2(built.with_name(name), folder / name)


WORK_FILES = (
    NUMBERS,
    "profile.jsonl",
    "model.xml",
    "model.bin",
    "plan.json",
    "compile.json",
    "result.json",
    "report.html",
    "report.md",
)
"""What a run leaves in its folder, beside the folders of its trials."""
WORK_FOLDERS = ("trials", "best", "pareto", CANDIDATE)


class Work:
    """The folder of a run: OUTPUT.partial until the result is finished, or a temporary one without an output.

    The place is tried when this is made, before anything expensive; the run holds it from `with` on. inputs: what the run
    reads, which no output may be or hold. Raises OutputError for a place that cannot be taken.
    """

    def __init__(self, output: str | Path | None, *, force: bool = False, inputs: Sequence[Any] = ()) -> None:
        self.place = None if output is None else find_place(output, force=force, inputs=inputs)
        self._temporary = TemporaryFolder() if self.place is None else None
        self.folder = self._temporary.path if self._temporary is not None else self.place.partial  # type: ignore[union-attr]
        self._force, self._resumed, self._held = force, False, contextlib.ExitStack()
        if self.place is not None:
            refuse_partial(self.place)
        if self.place is not None and self.folder.parent.exists():
            # Another run is found now, and not after the model was loaded.
            with writing(self.place.target), self.place.locked():
                pass

    def __enter__(self) -> "Work":
        if self.place is not None:
            with writing(self.place.target):
                self.folder.parent.mkdir(parents=True, exist_ok=True)
                with contextlib.ExitStack() as held:
                    held.enter_context(self.place.locked())
                    # Another run may have finished since the place was found.
                    refuse_content(self.place.target, self.place.real, force=self._force)
                    refuse_partial(self.place)
                    self._held = held.pop_all()
                self._resumed = self.folder.exists()
                self.folder.mkdir(exist_ok=True)
                Record("run").write(self.folder)
            # The plans of a run that was killed while it wrote them are written anew.
            for name in ("pareto", CANDIDATE):
                shutil.rmtree(self.folder / name, ignore_errors=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        """Leave nothing behind when a new run fails before its first trial; else keep what was measured to go on from."""
        with self._held:
            unwritable = disk_error(self.folder, error)
            known = isinstance(error, OvquantError) or unwritable is not None
            if known and self.place is not None and not self._resumed and not self._has_trials():
                self._drop()
            if unwritable is not None:
                raise unwritable from error

    def _drop(self) -> None:
        """Delete what the run wrote, and its folder if nothing else is in it."""
        for name in WORK_FOLDERS:
            shutil.rmtree(self.folder / name, ignore_errors=True)
        clear(self.folder, set(WORK_FILES), {})

    def _has_trials(self) -> bool:
        return next(Profile(self.folder / "profile.jsonl").entries("trial"), None) is not None

    def profile(self) -> Profile:
        """Return the profile of the run; the uses of holdouts of the result that it replaces are kept."""
        profile = Profile(self.folder / "profile.jsonl")
        if self.place is not None and (self.place.real / "profile.jsonl").exists():
            carry(Profile(self.place.real / "profile.jsonl"), profile)
        return profile

    def keep_best(self, bench: Workbench, trial: Trial) -> None:
        """Have the best plan so far on disk, in OUTPUT.partial/best, should the run be stopped."""
        if self.place is not None:
            save_plan(bench, bench.documented(trial), self.folder / "best")

    def finish(self, result: Result) -> Result:
        """Write the result's files, drop what only the search needed, and give the folder its final name."""
        changed = [] if self.place is None or not self.place.real.exists() else edited(self.place.real)
        notes = [f"{name} was changed since ovquant wrote it, and is kept as {name}{EDITED}." for name in changed]
        result = replace(result, notes=(*result.notes, *notes))
        for name in ("trials", "best"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        result.write(self.folder)
        if self.place is None:
            return replace(result, keep=self._temporary)
        return replace(result, folder=self.place.put(self.folder))
