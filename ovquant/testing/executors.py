"""Hold an executor to its protocol."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ovquant.domain.progress import Progress
from ovquant.domain.task import Job, Task
from ovquant.errors import ExecutorError, MetricError, OtherProcessorError
from ovquant.plugins.protocols import Executor, Reaching, Team
from ovquant.testing.plugins import PluginContract


class Held:
    """What workers hold in the contract: it tells what it was made of, and what it was asked."""

    @staticmethod
    def record(device: str) -> dict[str, str]:
        """Return what answers depend on."""
        return {"device": device}

    def begin(self, given: bytes, threads: int) -> None:
        """Take what it is made of."""
        self._given, self._threads = given, threads

    def measure(self, method: str, *arguments: Any) -> Any:
        """Return the text of a model's files and the further arguments, or raise an error of ovquant's."""
        if method == "fail":
            raise MetricError("It fails as it was asked to.")
        model, *others = arguments
        text = Path(model).read_text(encoding="utf-8"), Path(model).with_suffix(".bin").read_text(encoding="utf-8")
        return self._given, self._threads >= 1, text, others


JOB = Job(f"{__name__}:Held", b"given", "CPU", {"device": "CPU"})


def answer(given: bytes, executor: Executor, progress: Progress) -> bytes:
    """Return what is given with the name of the executor's class, or raise an error of ovquant's; called on a machine."""
    progress("answering", 1, 1)
    if given == b"fail":
        raise MetricError("It fails as it was asked to.")
    return given + type(executor).__name__.encode()


class ExecutorContract(PluginContract):
    """Check an executor. Give the fixture `executor`; where it has a cluster, that is there and answers as this process does."""

    @pytest.fixture
    def executor(self) -> Executor:
        """Return the executor."""
        raise NotImplementedError("Override the fixture 'executor'.")

    @pytest.fixture
    def machine(self) -> str:
        """Return the name of a machine that it reaches, "" where it reaches none."""
        return ""

    @pytest.fixture
    def plugin(self, executor: Executor) -> Any:
        """Return the executor."""
        return executor

    @pytest.fixture
    def team(self, executor: Executor) -> Iterator[Team]:
        """Return the team that it gathers."""
        team = executor.gather(JOB)
        if team is None:
            pytest.skip("it has the process that measures score alone")
        yield team
        team.close()

    def test_fits_the_protocol(self, executor: Executor) -> None:
        assert isinstance(executor, Executor)

    def test_each_task_is_answered_in_its_place(self, team: Team, tmp_path: Path) -> None:
        models = [written(tmp_path / str(number), str(number)) for number in range(2)]
        done, by = list[int](), set[str]()

        def note(count: int, worker: str) -> None:
            done.append(count)
            by.add(worker)

        found = team.run([Task("tell", (models[number % 2],), (number, "x")) for number in range(5)], note)
        assert found == [(b"given", True, (f"xml {n % 2}", f"bin {n % 2}"), [n, "x"]) for n in range(5)]
        assert done == [1, 2, 3, 4, 5]
        assert by
        assert by <= {*team.workers}
        # What the first model's path holds now is another model.
        written(tmp_path / "0", "other")
        assert team.run([Task("tell", (models[0],))], note)[0][2] == ("xml other", "bin other")

    def test_what_a_task_raises_is_raised_and_the_team_goes_on(self, team: Team, tmp_path: Path) -> None:
        with pytest.raises(MetricError, match="as it was asked to"):
            team.run([Task("fail")], lambda *_: None)
        model = written(tmp_path / "one", "one")
        assert team.run([Task("tell", (model,))], lambda *_: None)[0][2] == ("xml one", "bin one")

    @pytest.mark.usefixtures("team")
    def test_workers_that_answer_otherwise_are_not_asked(self, executor: Executor) -> None:
        with pytest.raises(OtherProcessorError, match=r"device CPU for (a )?VPU"):
            executor.gather(replace(JOB, record={"device": "VPU"}))

    @pytest.mark.usefixtures("team")
    def test_workers_of_other_versions_are_not_asked(self, executor: Executor) -> None:
        with pytest.raises(ExecutorError, match=r"openvino missing for 1.2.*[Ii]nstall") as told:
            executor.gather(replace(JOB, record={"device": "CPU", "openvino": "1.2"}))
        assert not isinstance(told.value, OtherProcessorError)

    def test_a_function_is_called_on_a_machine(self, executor: Executor, machine: str) -> None:
        if not machine:
            pytest.skip("it reaches no machine")
        assert isinstance(executor, Reaching)
        told = list[tuple[str, int, int]]()
        called = f"{__name__}:answer"
        found = executor.call(machine, called, b"by ", lambda *what: told.append(what))
        assert found == f"by {type(executor).__name__}".encode()
        assert told == [("answering", 1, 1)]
        with pytest.raises(MetricError, match="as it was asked to"):
            executor.call(machine, called, b"fail", lambda *_: None)
        with pytest.raises(ExecutorError, match="nowhere"):
            executor.call("nowhere", called, b"", lambda *_: None)


def written(folder: Path, text: str) -> Path:
    """Return the path of what stands for a model."""
    folder.mkdir(exist_ok=True)
    (folder / "model.bin").write_text(f"bin {text}", encoding="utf-8")
    path = folder / "model.xml"
    path.write_text(f"xml {text}", encoding="utf-8")
    return path
