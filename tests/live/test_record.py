"""Recording requests: which are kept, that none is lost or waits, and that they are data."""

import shutil
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

import ovquant
from ovquant.errors import DataError, OutputError, UsageError
from ovquant.live.record import Recorder
from ovquant.plugins.datasets import open_dataset


def double(names: tuple[str, ...] = ("x",)) -> openvino.CompiledModel:
    ports = [ops.parameter([-1, 2], np.float32) for _ in names]
    for port, name in zip(ports, names, strict=True):
        port.output(0).get_tensor().set_names({name})
    total = ops.add(ports[0], ports[-1])
    return openvino.Core().compile_model(
        openvino.Model([total], ports, "double"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )


def row(value: float) -> np.ndarray:
    return np.full((1, 2), value, np.float32)


def values(folder: Path, name: str = "x") -> list[float]:
    data = open_dataset(folder)
    return [float(data[place].inputs[name][0, 0]) for place in range(len(data))]  # type: ignore[call-overload,index]


def test_outputs_are_the_models_own_and_inputs_are_kept(tmp_path: Path) -> None:
    recorded = ovquant.record(double(), tmp_path / "calib", n=10)
    assert recorded(row(1))[0].tolist() == [[2, 2]]
    assert recorded.infer_new_request({"x": row(2)})[0].tolist() == [[4, 4]]
    request = recorded.create_infer_request()
    request.set_input_tensor(openvino.Tensor(row(3)))
    assert request.infer()[0].tolist() == [[6, 6]]
    request.start_async([row(4)])
    request.wait()
    assert request.get_output_tensor().data.tolist() == [[8, 8]]
    request.infer({0: row(5)}, share_inputs=True)
    request.infer({recorded.inputs[0]: row(6)})
    assert recorded.recorder.close() == tmp_path / "calib"
    assert sorted(values(tmp_path / "calib")) == [1, 2, 3, 4, 5, 6]


def test_what_an_application_does_with_its_arrays_afterwards_changes_nothing(tmp_path: Path) -> None:
    recorded, buffer = ovquant.record(double(), tmp_path / "calib", n=5), row(0)
    for value in range(5):
        buffer[...] = value
        recorded(buffer, share_inputs=True)
    recorded.recorder.close()
    assert sorted(values(tmp_path / "calib")) == [0, 1, 2, 3, 4]


def test_a_queue_is_recorded(tmp_path: Path) -> None:
    recorded, found = ovquant.record(double(), tmp_path / "calib", n=100), list[float]()
    queue = ovquant.AsyncInferQueue(recorded, 3)
    queue.set_callback(lambda request, value: found.append(float(request.get_output_tensor().data[0, 0]) - 2 * value))
    for value in range(40):
        queue.start_async({"x": row(value)}, value)
    queue.wait_all()
    recorded.recorder.close()
    assert found == [0.0] * 40
    assert sorted(values(tmp_path / "calib")) == list(range(40))


def test_several_inputs_are_kept_by_name(tmp_path: Path) -> None:
    recorded = ovquant.record(double(("file", "a/b:0")), tmp_path / "calib", n=4)
    recorded([row(1), row(2)])
    recorded({"a/b:0": row(3), "file": row(4)})
    recorded.recorder.close()
    assert sorted(zip(values(tmp_path / "calib", "file"), values(tmp_path / "calib", "a/b:0"), strict=True)) == [
        (1, 2),
        (4, 3),
    ]


def test_every_request_is_as_likely_to_be_kept(tmp_path: Path) -> None:
    counts: Counter[int] = Counter()
    for seed in range(300):
        recorder = Recorder(tmp_path / str(seed), ["x"], count=5, seed=seed)
        kept: dict[int, int] = {}
        for number in range(50):
            place = recorder._place()
            if place is not None:
                kept[place] = number
        recorder.close()
        counts.update(kept.values())
    # 30 expected of each, with a standard deviation of 5.2.
    assert all(8 <= counts[number] <= 56 for number in range(50))
    assert abs(sum(counts[number] for number in range(25)) - 750) < 120


@pytest.mark.parametrize("count", [2, 10])
def test_what_openvino_refuses_is_not_kept(tmp_path: Path, count: int) -> None:
    recorded = ovquant.record(double(), tmp_path / "calib", n=count)
    wrong = np.zeros((1, 3), np.float32)
    for value in range(4):
        with pytest.raises(RuntimeError):
            recorded(wrong)
        request, queue = recorded.create_infer_request(), ovquant.AsyncInferQueue(recorded, 1)
        request.start_async([wrong])
        queue.start_async([wrong])
        for waiting in (request.wait, queue.wait_all):
            with pytest.raises(RuntimeError):
                waiting()
        recorded(row(value))
    recorded.recorder.close()
    # What is refused later counts as seen where it was not to be kept.
    assert recorded.recorder.seen == 4 or count == 2
    kept = values(tmp_path / "calib")
    assert len(kept) == min(count, 4)
    assert set(kept) <= {0, 1, 2, 3}


def test_eight_threads_lose_nothing(tmp_path: Path) -> None:
    recorded = ovquant.record(double(), tmp_path / "calib", n=1600)

    def work(start: int) -> None:
        for value in range(start, start + 200):
            assert recorded(row(value))[0][0, 0] == 2 * value

    threads = [threading.Thread(target=work, args=(200 * number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    recorded.recorder.close()
    assert recorded.recorder.seen == 1600
    assert sorted(values(tmp_path / "calib")) == list(range(1600))


def test_a_slow_disk_holds_up_no_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: Any, **__: Any) -> None:
        time.sleep(0.05)

    recorded = ovquant.record(double(), tmp_path / "calib", n=100)
    monkeypatch.setattr(recorded.recorder, "_write_sample", slow)
    begin = time.monotonic()
    for value in range(100):
        recorded(row(value))
    # A hundred writes take five seconds.
    assert time.monotonic() - begin < 2.5
    monkeypatch.undo()
    recorded.recorder.close()


def test_a_disk_that_fails_is_an_error_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError("No space left on device")

    recorded = ovquant.record(double(), tmp_path / "calib", n=10)
    monkeypatch.setattr(recorded.recorder, "_write_sample", full)
    for value in range(20):
        assert recorded(row(value))[0][0, 0] == 2 * value
    with pytest.raises(OutputError, match="No space left"):
        recorded.recorder.close()


def test_a_recording_is_calibration_data_and_needs_no_labels(tmp_path: Path) -> None:
    weights = np.random.default_rng(0).standard_normal((512, 4)).astype(np.float32)
    port = ops.parameter([-1, 512], np.float32)
    port.output(0).get_tensor().set_names({"x"})
    model = openvino.Model([ops.matmul(port, ops.constant(weights), False, False)], [port], "linear")
    rows = np.random.default_rng(1).standard_normal((240, 1, 512)).astype(np.float32)
    recorded = ovquant.record(openvino.Core().compile_model(model, "CPU"), tmp_path / "calib", n=200)
    for inputs in rows:
        recorded(inputs)
    folder = recorded.recorder.close()
    how = {"strategy": "first", "recipes": ["default"], "optimize": "size"}
    result = ovquant.quantize(model, data=folder, metric="fidelity:by=cosine", max_drop=0.1, **how)
    assert result.verdict == "met"
    assert result.provenance.data["holdout"].samples == 100


def test_wrong_use_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="n is 0"):
        ovquant.record(double(), tmp_path / "calib", n=0)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(OutputError, match="already holds something"):
        ovquant.record(double(), tmp_path / "full")
    (tmp_path / "full" / "recording.json").write_text("{}")
    with pytest.raises(DataError, match="is not a recording"):
        open_dataset(tmp_path / "full")


def test_a_folder_that_is_gone_at_the_end_is_an_error_that_names_it(tmp_path: Path) -> None:
    recorded = ovquant.record(double(), tmp_path / "calib", n=5)
    shutil.rmtree(tmp_path / "calib")
    with pytest.raises(OutputError, match="calib' cannot be written"):
        recorded.recorder.close()
