"""Measure the contenders of one case in this process: accuracy on fresh data, latency and throughput in turn, size.

    python examples/benchmark/measuring.py CASE FOLDER JOB

The suite calls this; JOB is JSON, the fields of Job. FOLDER receives measured.json and latency.npz.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from cases import ALL, Case
from data import opened
from onnx_models import OnnxModel, score

import ovquant
from ovquant import runtime
from ovquant.plugins.metrics import resolve_metric
from ovquant.stats.intervals import mean_interval, ratio_of_medians

F32 = {"INFERENCE_PRECISION_HINT": "f32"}
REQUESTS, MOST_ROUNDS = 16, 4000
LEAST_HEATS, MOST_HEATS, SHARES = 6, 32, 16
"""Heats that are run at least and at most, and the share of the time, and of the rounds, that each takes at most."""
HALF_WIDTH = 0.02
"""How wide the interval of a ratio may be, to either side, for it to be known."""
AGAIN = "float again"


@dataclass(frozen=True)
class Job:
    """What to measure: the folder of each contender's model by name, float first, and what made.json says of it."""

    folders: Mapping[str, str]
    made: Mapping[str, Mapping[str, Any]]
    seconds: float = 60.0
    f32: bool = False
    limit: int | None = None


@dataclass
class Measuring:
    """The measurements of one case."""

    case: Case
    folder: Path
    job: Job
    found: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.data = opened(self.case.fresh, self.job.limit)
        self.paths = {name: Path(place) / self.job.made[name]["model"] for name, place in self.job.folders.items()}
        self.openvino = [name for name, path in self.paths.items() if path.suffix == ".xml"]
        self.onnx = [name for name in self.paths if name not in self.openvino]
        self.found = {name: {"size_bytes": _size(path)} for name, path in self.paths.items()}

    def run(self) -> dict[str, Any]:
        """Measure everything and return it as plain values."""
        self._settle_properties()
        self._accuracy()
        self._latency()
        self._throughput()
        self._onnx_latency()
        device = runtime.capabilities("CPU")
        processor = {"name": device.full_name, "instructions": device.instructions, "default": device.default_precision}
        return {"device": processor, "samples": len(self.data), "models": self.found, "operations": self._operations()}

    # What each is served with -------------------------------------------------------------------------------------

    def _settle_properties(self) -> None:
        """Take the device's defaults, or the plan's properties; what does not compile so is served in f32."""
        for name in self.openvino:
            chosen = {"PERFORMANCE_HINT": "LATENCY", **(F32 if self.job.f32 else {})}
            chosen |= self.job.made[name].get("properties", {})
            try:
                self._compile(name, chosen)
            except ovquant.ModelError as error:
                self.found[name]["problem"] = str(error)
                chosen |= F32
            self.found[name]["properties"] = chosen

    def _compile(self, name: str, properties: Mapping[str, str]) -> openvino.CompiledModel:
        return runtime.compile_model(self.paths[name], runtime.Deployment("CPU", dict(properties)))

    def _served(self, name: str, hint: str) -> openvino.CompiledModel:
        return self._compile(name, {**self.found[name]["properties"], "PERFORMANCE_HINT": hint})

    # Accuracy -----------------------------------------------------------------------------------------------------

    def _accuracy(self) -> None:
        """Score every model, and pair it with float in f32 sample by sample."""
        truth = self._items("float", {**self.found["float"]["properties"], **F32})
        allowed = ovquant.Drop.parse(self.case.max_drop).allowed(float(np.mean(truth)))
        for name in self.paths:
            items = self._onnx_items(name) if name in self.onnx else self._items(name, self.found[name]["properties"])
            low, high = mean_interval(np.subtract(truth, items))
            drop = float(np.mean(truth) - np.mean(items))
            values = {"score": float(np.mean(items)), "drop": drop, "low": low, "high": high}
            self.found[name] |= {**values, "allowed": allowed, "inside": drop <= allowed}

    def _items(self, name: str, properties: Mapping[str, str]) -> tuple[float, ...]:
        """Return the score of each fresh sample; what was scored before is read again."""
        key = json.dumps([self.case.fresh, self.job.limit, self.case.metric, dict(properties)])
        kept = self.paths[name].with_name("items.json")
        known = json.loads(kept.read_text()) if kept.exists() else {}
        if key not in known:
            options = {"data": self.data, "metric": self.case.metric, "properties": dict(properties)}
            known[key] = ovquant.evaluate(self.paths[name], **options).evaluation.items
            kept.write_text(json.dumps(known))
        return tuple(known[key])

    def _onnx_items(self, name: str) -> list[float]:
        ports = openvino.Core().read_model(self.paths["float"]).inputs
        return score(OnnxModel(self.paths[name]), self.data, resolve_metric(self.case.metric), ports)

    # Speed --------------------------------------------------------------------------------------------------------

    def _latency(self) -> None:
        """Time all OpenVINO models in turn, and float twice: how far the two floats differ is what noise can do."""
        names = [*self.openvino, AGAIN]
        heats = [self._heat(names, number) for number in range(LEAST_HEATS)]
        times = np.concatenate(heats)
        np.savez_compressed(self.folder / "latency.npz", times=times, names=np.array(names))
        self._note("latency", self.openvino, times[:, : len(self.openvino)])
        for place, name in enumerate(names):
            compared = _ratio(heats, place, 0)
            if name == AGAIN:
                self.found["float"]["again"] = compared
            else:
                self.found[name]["latency"] |= compared
        for name, kind, rival in self._rivals(heats):
            self.found[name][kind] = {"best": rival, **self._in_turn(name, rival)}

    def _in_turn(self, name: str, rival: str) -> dict[str, Any]:
        """Time two models in turn and no others, whose weights would be in each other's way in the caches as they are never when served.

        Two compilations of a model differ by percents, so that heats go on until it is known what one takes beside the other.
        """
        heats, found = list[np.ndarray](), {"low": 0.0, "high": 1.0}
        while len(heats) < LEAST_HEATS or (len(heats) < MOST_HEATS and found["high"] - found["low"] > 2 * HALF_WIDTH):
            heats.append(self._heat([rival, name], len(heats)))
            found = _ratio(heats, 1, 0) if len(heats) > 1 else found
        return found

    def _rivals(self, heats: list[np.ndarray]) -> Iterator[tuple[str, str, str]]:
        """Yield each result of ovquant with the fastest of the others inside the same budget.

        That is of all of them, and of float and what NNCF makes of the graph as it was read.
        """
        ratios = {name: _ratio(heats, place, 0)["ratio"] for place, name in enumerate(self.openvino)}
        rivals = [name for name in self.openvino if not name.startswith("ovquant")]
        inside = [name for name in rivals if name == "float" or self.found[name]["inside"]]
        plain = [name for name in inside if not name.startswith("hand-")]
        for name in (name for name in self.openvino if name.startswith("ovquant")):
            for kind, among in (("against_best", inside), ("against_plain", plain)):
                yield name, kind, min(among, key=ratios.__getitem__)

    def _heat(self, names: list[str], heat: int) -> np.ndarray:
        """Compile all anew, in an order of its own, and time them in one interleaved run; milliseconds, shape [rounds, names]."""
        order = [names[place] for place in np.random.default_rng(heat).permutation(len(names))]
        compiled = [self._served("float" if name == AGAIN else name, "LATENCY") for name in order]
        requests = runtime.requests_of(compiled[0], self.data, REQUESTS)
        seconds = self.job.seconds / SHARES
        times = runtime.interleave(compiled, requests, seconds=seconds, most=MOST_ROUNDS // SHARES, seed=heat)
        return times[:, [order.index(name) for name in names]]

    def _throughput(self) -> None:
        """Time bursts of all OpenVINO models with all requests busy, for a third of the time."""
        compiled = [self._served(name, "THROUGHPUT") for name in self.openvino]
        requests = runtime.requests_of(compiled[0], self.data, REQUESTS)
        times = runtime.interleave_throughput(compiled, requests, seconds=self.job.seconds / 3)
        self._note("throughput", self.openvino, times)

    def _onnx_latency(self) -> None:
        """Time the ONNX models and float in an interleaved run of their own, and each of them alone.

        Two runtimes in turn slow each other down, so that one is timed alone says more of its milliseconds.
        """
        if not self.onnx:
            return
        compiled = self._compile("float", self.found["float"]["properties"])
        contenders = {"float": compiled, **{name: OnnxModel(self.paths[name]) for name in self.onnx}}
        requests = runtime.requests_of(compiled, self.data, REQUESTS)
        seconds = self.job.seconds / 3
        times = runtime.interleave(list(contenders.values()), requests, seconds=seconds, most=MOST_ROUNDS)
        self._note("latency", self.onnx, times[:, 1:], float_times=times[:, 0])
        for name, contender in contenders.items():
            alone = runtime.interleave([contender], requests, seconds=seconds / len(contenders), most=MOST_ROUNDS)
            self.found[name]["alone_ms"] = float(np.median(alone))

    def _note(self, kind: str, names: list[str], times: np.ndarray, *, float_times: np.ndarray | None = None) -> None:
        base = times[:, 0] if float_times is None else float_times
        for name, column in zip(names, times.T, strict=True):
            ratio, low, high = ratio_of_medians(column, base)
            p50, p95 = float(np.median(column)), float(np.percentile(column, 95))
            values = {"ratio": ratio, "low": low, "high": high, "p50_ms": p50, "p95_ms": p95, "rounds": len(column)}
            self.found[name][kind] = values

    def _operations(self) -> dict[str, Any] | None:
        """Return the per-operation reference, where NNCF's default model is there."""
        from reference import reference

        if "nncf-default" not in self.openvino:
            return None
        names = ("float", "nncf-default")
        profiled = [self._compile(name, {**self.found[name]["properties"], "PERF_COUNT": "YES"}) for name in names]
        return reference(profiled[0], profiled[1], runtime.requests_of(profiled[0], self.data, REQUESTS))


def _ratio(heats: Sequence[np.ndarray], one: int, other: int) -> dict[str, Any]:
    """Return the geometric mean over heats of the ratio of two models' medians, with its interval and that of each heat."""
    ratios = [float(np.median(heat[:, one]) / np.median(heat[:, other])) for heat in heats]
    low, high = np.exp(mean_interval(np.log(ratios))) if one != other else (1.0, 1.0)
    return {"ratio": float(np.exp(np.mean(np.log(ratios)))), "low": float(low), "high": float(high), "heats": ratios}


def _size(path: Path) -> int:
    files = (path, path.with_suffix(".bin")) if path.suffix == ".xml" else (path,)
    return sum(file.stat().st_size for file in files)


def main(name: str, folder: Path, job: Mapping[str, Any]) -> None:
    """Measure a case and write measured.json."""
    measured = Measuring(ALL[name], folder, Job(**job)).run()
    (folder / "measured.json").write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3]))
