"""A real cluster on this machine: a scheduler and two workers of one thread each."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
import pytest
from distributed import Client
from distributed.utils import json_load_robust
from ovquant_dask import Dask
from ovquant_dask.executor import is_safe
from ovquant_dask.team import tagged

import ovquant
from ovquant.api.targets import quantize_for
from ovquant.errors import DataError, ExecutorError, ModelError
from ovquant.protocols import Executor, Job, Task, Team
from ovquant.testing import ExecutorContract
from ovquant.testing.executors import JOB, written
from tests.cli import models

MACHINES = ("one", "two")
ROOT = Path(__file__).resolve().parents[3]


@dataclass
class Cluster:
    """Processes of `dask`, started in a folder."""

    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Start a scheduler or a worker."""
        program = [sys.executable, "-m", "dask", *command, "--no-dashboard", "--scheduler-file", str(self.file)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OVQUANT_ISOLATE": "1"}
        with (self.folder / "log").open("ab") as log:
            self.processes.append(
                subprocess.Popen(program, cwd=self.folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
            )
        return self.processes[-1]

    @property
    def file(self) -> Path:
        return self.folder / "scheduler.json"

    def schedule(self) -> str:
        """Start a scheduler and return its address."""
        self.start("scheduler", "--host", "127.0.0.1", "--port", "0")
        address: str = json_load_robust(self.file, timeout=180)["address"]
        return address

    def work(self, number: int, machine: str = "") -> subprocess.Popen[bytes]:
        """Start a worker; machine: the name under which it is a machine that searches, "" for one that scores."""
        own = ["--nthreads", "1", "--no-nanny", "--local-directory", str(self.folder / f"{machine}{number}")]
        named = ["--resources", f"target-{machine}=1"] if machine else []
        return self.start("worker", *own, *named)

    def stop(self) -> None:
        """End all."""
        for process in self.processes:
            process.kill()
            process.wait()


def wait_for(ready: Callable[[], object], seconds: float = 180) -> None:
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cluster, str]]:
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    address = made.schedule()
    for number in range(2):
        made.work(number)
    for machine in MACHINES:
        made.work(0, machine)
    with Client(address) as client:
        client.wait_for_workers(2 + len(MACHINES), timeout=180)
    yield made, address
    made.stop()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Cluster]:
    """Return a cluster that a test may do harm to."""
    made = Cluster(tmp_path)
    yield made
    made.stop()


class TestContract(ExecutorContract):
    @pytest.fixture
    def executor(self, cluster: tuple[Cluster, str]) -> Executor:
        return Dask(cluster[1], wait=5)

    @pytest.fixture
    def machine(self) -> str:
        return MACHINES[0]


def test_each_machine_searches_for_itself_and_measures_no_score_again(
    cluster: tuple[Cluster, str], tmp_path: Path
) -> None:
    model, data = models.write(tmp_path, models.image_net(), {"image": models.samples((3, 16, 16), 200, 3)})
    told, done = list[str](), list[str]()
    how = {"metric": "fidelity:by=cosine", "max_drop": "50%", "recipes": ["weights"], "optimize": "size"}
    results = quantize_for(
        MACHINES,
        str(model),
        data=str(data),
        executor=Dask(cluster[1]),
        output=tmp_path / "out",
        progress=lambda what, *_: told.append(what),
        done=lambda name, _: done.append(name),
        **how,
    )
    assert done == [*MACHINES]
    assert [result.folder for result in results.values()] == [tmp_path / "out" / name for name in MACHINES]
    one, two = results.values()
    assert one.trial.holdout is not None
    assert one.trial.holdout == two.trial.holdout
    # A machine that searches is asked for no scores.
    scoring = set(one.trial.holdout.workers)
    assert scoring
    with Client(cluster[1], set_as_default=False) as client:
        assert scoring <= {address for address, names in tagged(client).items() if not names}
    scored = {what.partition(":")[0] for what in told if "evaluating" in what and "as processors" not in what}
    assert scored == {"one"}
    assert {what.partition(":")[0] for what in told} == {*MACHINES}
    with pytest.raises(ovquant.OutputError, match="already holds a result"):
        quantize_for(["one"], str(model), data=str(data), executor=Dask(cluster[1]), output=tmp_path / "out", **how)


def test_at_a_shell_results_are_set_side_by_side(cluster: tuple[Cluster, str], tmp_path: Path) -> None:
    model, data = models.write(tmp_path, models.image_net(), {"image": models.samples((3, 16, 16), 100, 3)})
    command = [
        "-m",
        "ovquant",
        "quantize",
        model,
        "--data",
        data,
        "--metric",
        "fidelity:by=cosine",
        "--max-drop",
        "50%",
    ]
    command += ["--recipe", "weights", "--optimize", "size", "--executor", f"dask:{cluster[1]}", "-o", tmp_path / "out"]
    targets = [word for name in MACHINES for word in ("--target", name)]
    ran = subprocess.run([sys.executable, *command, *targets], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "one: met, int8 weights" in ran.stderr
    head, verdict, *_ = [line.split() for line in ran.stdout.splitlines() if line.strip() and set(line) != {"─"}]
    assert head == ["one", "two"]
    assert verdict == ["verdict", "met", "met"]
    refused = subprocess.run(
        [sys.executable, *command, "--target", "one", "--dry-run"], capture_output=True, text=True, check=False
    )
    assert refused.returncode == 1
    assert "Leave --target out" in refused.stderr


def test_a_search_that_nobody_waits_for_is_ended(cluster: tuple[Cluster, str], tmp_path: Path) -> None:
    model, data = models.write(tmp_path, models.image_net(), {"image": models.samples((3, 16, 16), 200, 3)})

    def interrupt(what: str, _done: int, _total: int) -> None:
        if "evaluating" in what:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        quantize_for(
            ["one"],
            str(model),
            data=str(data),
            executor=Dask(cluster[1]),
            output=tmp_path / "out",
            progress=interrupt,
            metric="accuracy",
            max_drop="50%",
        )
    assert not list((tmp_path / "out").glob("*"))

    def processing() -> bool:
        with Client(cluster[1], set_as_default=False) as client:
            return any(client.processing().values())

    wait_for(lambda: not processing())


def test_a_machine_where_something_is_missing_is_named(
    cluster: tuple[Cluster, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def call(function: str) -> bytes:
        return Dask(cluster[1]).call("one", function, b"", lambda *_: None)

    with pytest.raises(ExecutorError, match=r"machine 'one' could not search: ModuleNotFoundError.*Install there"):
        call("no_such_module:answer")
    monkeypatch.setattr("ovquant_dask.reach.versions", lambda: {"openvino": "1.2"})
    with pytest.raises(ExecutorError, match=r"has openvino \S+ for 1.2"):
        call("ovquant.testing.executors:answer")


def test_machines_that_are_not_there_or_not_reached_are_told(cluster: tuple[Cluster, str], tmp_path: Path) -> None:
    how = {"data": "data.npz", "metric": "accuracy", "max_drop": "1%"}
    with pytest.raises(ExecutorError, match=r"machine 'three'. Those that are there: one, two. .*target-three=1"):
        quantize_for(["three"], "model.xml", executor=Dask(cluster[1], wait=0), output=tmp_path / "out", **how)
    with pytest.raises(ovquant.UsageError, match="--executor dask:ADDRESS"):
        quantize_for(["one"], "model.xml", executor="local", output=tmp_path / "out", **how)
    with pytest.raises(ovquant.UsageError, match="is no name"):
        quantize_for(["../one"], "model.xml", executor=Dask(cluster[1]), output=tmp_path / "out", **how)
    with pytest.raises(ovquant.UsageError, match="twice"):
        quantize_for(["one", "one"], "model.xml", executor=Dask(cluster[1]), output=tmp_path / "out", **how)


def test_a_search_ends_with_the_scores_that_it_has_alone(cluster: tuple[Cluster, str], tmp_path: Path) -> None:
    model, data = models.write(tmp_path, models.image_net(), {"image": models.samples((3, 16, 16), 400, 3)})
    # What is tried must not depend on times here, and scores must have many digits.
    how = {"metric": "fidelity:by=cosine", "max_drop": "50%", "recipes": ["default", "weights"], "strategy": "first"}
    found = [
        ovquant.quantize(
            model,
            data=data,
            output=tmp_path / str(place),
            executor=executor,
            threads=1,
            isolate=True,
            optimize="size",
            **how,
        )
        for place, executor in enumerate(("local", Dask(cluster[1], report=str(tmp_path / "report.html"))))
    ]
    scores = [
        [(trial.plan.key, trial.search, trial.holdout) for trial in (*result.trials, result.trial)] for result in found
    ]
    assert scores[0] == scores[1]
    assert found[1].trial.holdout is not None
    assert "<title>Dask Performance Report" in (tmp_path / "report.html").read_text(encoding="utf-8")
    # The record says who ran each plan's model.
    assert found[0].trial.holdout is not None
    assert found[0].trial.holdout.workers == ()
    read = json.loads((tmp_path / "1" / "result.json").read_text(encoding="utf-8"))["trial"]["holdout"]
    with Client(cluster[1], set_as_default=False) as client:
        assert set(read["workers"]) <= set(client.scheduler_info(n_workers=-1)["workers"])
    assert read["workers"]
    assert 0.5 < found[1].trial.holdout.main.value < 1
    assert [[note for note in result.notes if "workers elsewhere" in note] != [] for result in found] == [False, True]


def test_where_no_worker_computes_as_this_processor_does_scores_are_taken_here(
    cluster: tuple[Cluster, str], tmp_path: Path
) -> None:
    @dataclass(frozen=True)
    class Elsewhere:
        inner: Dask

        def gather(self, job: Job) -> Team:
            return self.inner.gather(replace(job, record={**job.record, "processor": "another"}))

    model, data = models.write(tmp_path, models.image_net(), {"image": models.samples((3, 16, 16), 200, 3)})
    how = {"metric": "fidelity:by=cosine", "max_drop": "50%", "recipes": ["weights"], "optimize": "size"}
    executor = Elsewhere(Dask(cluster[1], wait=0.5))
    result = ovquant.quantize(model, data=data, executor=executor, isolate=True, output=tmp_path / "out", **how)
    assert result.trial.holdout is not None
    assert result.trial.holdout.workers == ()
    (note,) = [note for note in result.notes if "scored here" in note]
    assert "for another" in note


SHIFTED = """
import os
import numpy as np
import ovquant

class Rows:
    def __len__(self):
        return 200

    def __getitem__(self, index):
        image = np.random.default_rng(index).standard_normal((3, 16, 16)).astype(np.float32)
        return ovquant.Sample(image + float(os.environ.get("SHIFT", "0")), index % 10)
"""


def test_a_worker_that_reads_other_data_is_named_with_the_sample(
    cluster: tuple[Cluster, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _ = models.write(tmp_path, models.image_net(), {"image": models.samples((3, 16, 16), 40, 3)})
    (tmp_path / "shifted.py").write_text(SHIFTED, encoding="utf-8")
    monkeypatch.setenv("SHIFT", "0.5")
    how = {"metric": "fidelity:by=cosine", "max_drop": "50%", "recipes": ["weights"], "optimize": "size"}
    with pytest.raises(DataError, match=r"^On the worker tcp://127.0.0.1:\d+: Sample \d+ of 200 was another one"):
        ovquant.quantize(model, data=f"{tmp_path / 'shifted.py'}:Rows", executor=Dask(cluster[1]), isolate=True, **how)


def test_a_report_that_cannot_be_had_is_told(
    cluster: tuple[Cluster, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    team = Dask(cluster[1], report=str(tmp_path)).gather(JOB)
    with pytest.warns(UserWarning, match="report could not be written: .*[Dd]irectory"):
        team.close()
    monkeypatch.setattr("ovquant_dask.team.find_spec", lambda _: None)
    with pytest.raises(ExecutorError, match="needs bokeh where the scheduler runs"):
        Dask(cluster[1], report=str(tmp_path / "report.html")).gather(JOB)


def test_a_worker_without_a_module_of_the_metric_is_named(
    cluster: tuple[Cluster, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, data = models.write(tmp_path, models.image_net(), {"image": models.samples((3, 16, 16), 100, 3)})
    source = """
        import os
        if "HERE" not in os.environ:
            import a_module_that_is_here_alone

        def score(outputs, targets):
            return 1.0
    """
    (tmp_path / "metric.py").write_text(textwrap.dedent(source), encoding="utf-8")
    monkeypatch.setenv("HERE", "1")
    how = {"metric": f"{tmp_path / 'metric.py'}:score", "max_drop": "50%", "recipes": ["weights"], "optimize": "size"}
    with pytest.raises(
        ExecutorError, match=r"^The worker tcp://\S+ cannot take.*a_module_that_is_here_alone.*Install there"
    ):
        ovquant.quantize(model, data=data, executor=Dask(cluster[1]), isolate=True, output=tmp_path / "out", **how)


def test_an_open_client_is_taken(cluster: tuple[Cluster, str], tmp_path: Path) -> None:
    with Client(cluster[1], set_as_default=False) as client:
        made = Dask.taking(client)
    assert made is not None
    assert made.address == cluster[1]
    assert Dask.taking("no client") is None


def test_a_worker_that_is_killed_costs_no_more_than_its_task(own: Cluster, tmp_path: Path) -> None:
    address = own.schedule()
    first = own.work(0)
    team = Dask(address, wait=60).gather(JOB)
    other = own.work(1)
    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=180)
    model, done = written(tmp_path / "model", "it"), list[int]()

    def kill(count: int, _worker: str) -> None:
        done.append(count)
        if count == 3:
            first.send_signal(signal.SIGKILL)

    found = team.run([Task("tell", (model,), (number,)) for number in range(40)], kill)
    assert [numbers for *_, numbers in found] == [[number] for number in range(40)]
    assert done == list(range(1, 41))
    assert other.poll() is None
    # Nobody is left now, and nobody comes.
    other.kill()
    other.wait()
    team._wait = 1.0
    with pytest.raises(ExecutorError, match="had no worker for 1 s"):
        team.run([Task("tell", (model,))], lambda *_: None)
    team.close()


def test_what_kills_every_worker_is_given_up(own: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ovquant_dask.team.ROUNDS", 1)
    address = own.schedule()
    process = own.work(0)
    team = Dask(address, wait=60).gather(JOB)
    model = written(tmp_path / "model", "it")
    psutil.Process(process.pid).kill()
    team._wait = 1.0
    with pytest.raises((ModelError, ExecutorError)):
        team.run([Task("tell", (model,))], lambda *_: None)
    team.close()


def test_a_worker_that_the_scheduler_has_forgotten_leaves_its_tasks_undone(own: Cluster, tmp_path: Path) -> None:
    address = own.schedule()
    process = own.work(0)
    team = Dask(address, wait=60).gather(JOB)
    psutil.Process(process.pid).kill()
    with Client(address, set_as_default=False) as client:
        while client.scheduler_info(n_workers=-1)["workers"]:
            time.sleep(0.1)
    values = dict[int, list[int]]()
    team._round({0: Task("tell", (written(tmp_path / "model", "it"),))}, values, lambda *_: None)
    assert not values
    team.close()


def test_a_scheduler_that_is_gone_ends_the_run(own: Cluster, tmp_path: Path) -> None:
    address = own.schedule()
    own.work(0)
    team = Dask(address, wait=60).gather(JOB)
    model = written(tmp_path / "model", "it")
    own.processes[0].kill()
    own.processes[0].wait()
    with pytest.raises(ExecutorError, match="the same command goes on"):
        team.run([Task("tell", (model,))], lambda *_: None)
    team.close()


def test_wrong_addresses_say_what_to_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ovquant_dask.executor.CONNECTING", 1.0)
    with pytest.raises(ExecutorError, match=r"No Dask scheduler answers at 'tcp://127.0.0.1:1'.*dask scheduler"):
        Dask("tcp://127.0.0.1:1").gather(JOB)
    with pytest.raises(ExecutorError, match="names no scheduler"):
        Dask().gather(JOB)
    with pytest.raises(ExecutorError, match="not encrypted"):
        Dask("tcp://10.1.2.3:8786").gather(JOB)


def test_a_scheduler_without_workers_is_told(own: Cluster) -> None:
    address = own.schedule()
    with pytest.raises(ExecutorError, match=f"had no worker for 0.5 s. Start one: dask worker {address}"):
        Dask(address, wait=0.5).gather(JOB)


def test_a_worker_that_lacks_something_is_named(cluster: tuple[Cluster, str]) -> None:
    with pytest.raises(ExecutorError, match=r"ModuleNotFoundError.*no_such_module.*pip install ovquant-dask"):
        Dask(cluster[1], wait=0.5).gather(replace(JOB, target="no_such_module:Held"))


@pytest.mark.parametrize(
    ("address", "safe"),
    [
        ("tcp://127.0.0.1:8786", True),
        ("localhost:8786", True),
        ("tcp://[::1]:8786", True),
        ("tls://10.0.0.1:8786", True),
        ("tcp://10.0.0.1:8786", False),
        ("tcp://scheduler:8786", False),
    ],
)
def test_what_is_on_this_machine_or_encrypted_is_safe(address: str, safe: bool) -> None:
    assert is_safe(address) is safe


def test_the_example_starts_a_cluster_and_searches_with_it(tmp_path: Path) -> None:
    model, data = models.write(tmp_path, models.image_net(), {"image": models.samples((3, 16, 16), 400, 3)})
    program = [
        sys.executable,
        str(ROOT / "examples" / "cluster" / "local.py"),
        "--workers",
        "2",
        "--machine",
        "here",
        "quantize",
        str(model),
    ]
    how = [
        "--data",
        str(data),
        "--metric",
        "accuracy",
        "--max-drop",
        "50%",
        "--recipe",
        "weights",
        "--optimize",
        "size",
    ]
    environment = {**os.environ, "OVQUANT_ISOLATE": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*program, *how, "-o", "out"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    notes = json.loads((tmp_path / "out" / "here" / "result.json").read_text(encoding="utf-8"))["notes"]
    (told,) = [note for note in notes if "workers elsewhere" in note]
    assert told.count("tcp://127.0.0.1:") == 2
