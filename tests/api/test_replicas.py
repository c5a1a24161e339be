"""What another process holds of a run: it reads all itself, and scores models that were saved."""

import shutil
from dataclasses import replace
from pathlib import Path

import cloudpickle
import numpy as np
import openvino
import pytest

from ovquant.api.options import Options
from ovquant.api.replicas import PINNING, SHARED, THREADS, HeldReplica, HeldSimulator, moved
from ovquant.api.session import Given, LocalSession
from ovquant.domain.handed_on import detached
from ovquant.domain.progress import silent
from ovquant.domain.split import Splits
from ovquant.errors import ModelError, UsageError
from ovquant.runtime import REFERENCE, Simulation, int8_arithmetic
from tests.cli import models


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Given:
    folder = tmp_path_factory.mktemp("given")
    model, data = models.write(folder, models.image_net(), {"image": models.samples((3, 16, 16), 200, 3)})
    return Given(model, "accuracy", Options(threads=1), str(data), {"holdout": None, "calibration": None})


def packed(given: Given) -> bytes:
    """Return what workers elsewhere are sent: all that was given, and how it is split."""
    return cloudpickle.dumps((cloudpickle.dumps(given), detached(split(given))))


def split(given: Given) -> Splits:
    session = LocalSession(given, silent)
    session.prepare()
    session.open()
    return session.splits


def test_it_scores_what_it_has_read(given: Given) -> None:
    held = HeldReplica()
    assert held.record("CPU")["openvino"] == openvino.get_version().partition("-")[0]
    held.begin(packed(given), 2)
    replica = held._replica
    fingerprint = replica.splits.search.fingerprint
    (found,) = held.measure(
        "evaluation", given.model, given.model, "it", REFERENCE, REFERENCE, "search", None, fingerprint
    )
    # Labels are the model's own answers.
    assert (found.score, found.samples) == (1.0, len(replica.splits.search))
    assert not np.isnan(found.items).any()


def test_a_shared_folder_may_have_another_path_here(
    given: Given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    shutil.copytree(Path(given.model).parent, here)
    sent = packed(given)
    away = Path(given.model).parent.rename(tmp_path / "away")
    try:
        monkeypatch.setenv(SHARED, f"{Path(given.model).parent}/={here}")
        held = HeldReplica()
        held.begin(sent, 1)
        assert held._replica.splits.search.fingerprint
    finally:
        away.rename(Path(given.model).parent)


def test_paths_are_moved_wherever_they_stand(given: Given) -> None:
    roles = {"holdout": "f.py:Data:path=/data/new,count=3", "calibration": None}
    asked = replace(
        given, model=Path("/data/net.xml"), metric=["accuracy", "exact:characters=/data/a.txt"], roles=roles
    )
    found = moved(asked, "/data=/mnt/all")
    assert (found.model, found.metric[1]) == (Path("/mnt/all/net.xml"), "exact:characters=/mnt/all/a.txt")
    assert found.roles == {"holdout": "f.py:Data:path=/mnt/all/new,count=3", "calibration": None}
    others = {"model": Path("/data"), "data": "/other/data/new.npz", "metric": "/database/f.py:score"}
    found = moved(replace(asked, **others), "/data/=/mnt/all/")
    assert (found.model, found.data, found.metric) == (Path("/mnt/all"), others["data"], others["metric"])
    assert moved(asked, "") == asked
    with pytest.raises(UsageError, match="should be two absolute paths"):
        moved(asked, "/data")


@pytest.mark.parametrize(("asked", "threads", "beside"), [(1, 2, {}), (4, 2, {THREADS: "2"})])
def test_it_keeps_no_more_threads_busy_than_it_may(
    asked: int, threads: int, beside: dict[str, str], given: Given
) -> None:
    held = HeldReplica()
    held.begin(packed(replace(given, settings=Options(threads=asked))), threads)
    assert held._replica.beside == {**beside, PINNING: "NO"}


def test_a_simulator_that_computes_as_this_processor_is_refused(given: Given) -> None:
    other = Simulation("saturating" if int8_arithmetic("CPU") == "exact" else "exact")
    with pytest.raises(ModelError, match="cannot compute as processors with"):
        HeldSimulator(silent).begin(cloudpickle.dumps(given), other, detached(split(given)))
