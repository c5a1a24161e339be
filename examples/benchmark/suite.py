"""Run the benchmark: for each case make every contender's model, then measure all of them.

    python examples/benchmark/suite.py [--case NAME]... [--only CONTENDER]... [--strategy NAME]... [--table]

Results go to OUT/results.json after each contender, and to OUT/table.md; a rerun goes on with what is missing, and
tries again what failed. Run it from the repository's root, with the extras [examples]; the ort contenders need
onnxruntime.
"""

import argparse
import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cases import ALL, Case
from goals import holdout_inferences, prediction_errors
from running import run
from table import contenders_of, is_shared, render

HERE = Path(__file__).resolve().parent
PLAIN = ("nncf-default", "nncf-mixed", "nncf-transformer")
HAND = tuple(f"hand-{kind}{tuned}" for tuned in ("", "-tuned") for kind in ("default", "mixed", "transformer"))
ORT = ("ort-float", "ort-int8", "ort-int8-percentile", "ort-int8-entropy")
CONTENDERS = ("float", *PLAIN, *HAND, *ORT)
CONTROL = "nncf-accuracy-control"
PATIENCE = 240.0
"""What stands for ovquant's seconds where accuracy control is made alone."""


@dataclass
class Suite:
    """One folder of results, and what was asked for."""

    asked: argparse.Namespace

    def __post_init__(self) -> None:
        self.out: Path = self.asked.out or Path("out/benchmark-f32" if self.asked.f32 else "out/benchmark")
        self.out.mkdir(parents=True, exist_ok=True)
        self.file = self.out / "results.json"
        settings = {"precision": "f32" if self.asked.f32 else "device default", "time budget": self.asked.time_budget}
        settings |= {} if self.asked.limit is None else {"limit": self.asked.limit}
        self.results: dict[str, Any] = {"settings": settings, "cases": {}}
        if self.file.exists():
            self.results = json.loads(self.file.read_text(encoding="utf-8"))
        if self.results["settings"] != settings and not self.asked.table:
            raise SystemExit(f"{self.file} holds results of {self.results['settings']}. Give another --out.")

    def write(self) -> None:
        """Write results.json and table.md."""
        partial = self.file.with_suffix(".partial")
        partial.write_text(json.dumps(self.results, indent=2) + "\n", encoding="utf-8")
        partial.replace(self.file)
        (self.out / "table.md").write_text(render(self.results), encoding="utf-8")

    def of(self, case: Case) -> dict[str, Any]:
        """Return the results of a case."""
        return self.results["cases"].setdefault(case.name, {"contenders": {}})

    def home(self, case: Case, contender: str) -> Case:
        """Return the case whose contender it is: what does not depend on the budget may be shared."""
        return ALL[case.shares] if case.shares and is_shared(contender) else case

    def wanted(self, case: Case) -> list[str]:
        """Return the contenders of a case in the order they run; accuracy control needs to know ovquant's time."""
        ours = ["ovquant", *(f"ovquant-{name}" for name in self.asked.strategy)]
        every = [*CONTENDERS, *ours, CONTROL]
        fitting = [name for name in every if case.onnx or not name.startswith("ort-")]
        return [name for name in fitting if not self.asked.only or name in self.asked.only]

    def run(self) -> None:
        """Make and measure what is missing."""
        for case in [ALL[name] for name in self.asked.case or ALL]:
            missing = [name for name in self.wanted(case) if self.is_missing(case, name)]
            if missing:
                self.prepare(case)
            for contender in missing:
                home = self.home(case, contender)
                print(f"{home.name}: {contender}", flush=True)
                self.of(home)["contenders"][contender] = self.make(home, contender)
                self.write()
            self.measure(case)
            self.write()

    def is_missing(self, case: Case, contender: str) -> bool:
        """Tell whether a contender is not there, or failed."""
        known = self.of(self.home(case, contender))["contenders"].get(contender)
        return known is None or "error" in known

    def prepare(self, case: Case) -> None:
        """Fetch, train and convert what the case needs, so that no contender is charged for it."""
        folder = self.out / case.name / "prepare"
        folder.mkdir(parents=True, exist_ok=True)
        log = folder.with_suffix(".log")
        ended = run([sys.executable, str(HERE / "contenders.py"), case.name, "prepare", str(folder), "{}"], log)
        if ended.code != 0:
            raise SystemExit(f"{case.name} cannot be prepared: {last_line(log)}")

    def make(self, case: Case, contender: str) -> dict[str, Any]:
        """Make a contender's model in a process of its own and return what that took."""
        folder = self.out / case.name / contender
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        options: dict[str, Any] = {"f32": self.asked.f32, "limit": self.asked.limit}
        if contender.startswith("ovquant"):
            options |= {"time_budget": self.asked.time_budget}
            options["strategy"] = contender.removeprefix("ovquant").removeprefix("-") or None
        cap = self.cap(case) if contender == CONTROL else None
        log = folder.with_suffix(".log")
        script = [sys.executable, str(HERE / "contenders.py"), case.name, contender, str(folder), json.dumps(options)]
        ended = run(script, log, cap=cap)
        file = folder / "made.json"
        made = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        made |= {"seconds": ended.seconds, "peak_mib": ended.peak_mib}
        if ended.capped:
            made["unfinished"] = f"not finished in {ended.seconds:.0f} s"
        elif ended.code != 0:
            made["error"] = last_line(log) or f"exit code {ended.code}"
        if (folder / "result.json").exists():
            made["predictions"] = prediction_errors(folder / "result.json")
            made["holdout_inferences"] = holdout_inferences(folder)
        return made

    def cap(self, case: Case) -> float:
        """Return the seconds that accuracy control may take."""
        return self.asked.cap * self.of(case)["contenders"].get("ovquant", {}).get("seconds", PATIENCE)

    def measure(self, case: Case) -> None:
        """Measure all models of a case, unless the same ones were measured before."""
        made = contenders_of(case.name, {**self.results["cases"], case.name: self.of(case)})
        # Float comes first: the others are relative to it.
        models = {name: made[name] for name in sorted(made, key=lambda name: name != "float") if "model" in made[name]}
        # A contender that was made again has another time.
        stamp = {name: values["seconds"] for name, values in models.items()}
        if "float" not in models or self.of(case).get("measured", {}).get("stamp") == stamp:
            return
        print(f"{case.name}: measuring {', '.join(models)}", flush=True)
        self.of(case).pop("measured", None)
        folder = self.out / case.name
        folder.mkdir(parents=True, exist_ok=True)
        folders = {name: str(self.out / self.home(case, name).name / name) for name in models}
        kept = {name: {key: made[name].get(key, {}) for key in ("model", "properties")} for name in models}
        job = {"folders": folders, "made": kept, "seconds": self.asked.seconds}
        job |= {"f32": self.asked.f32, "limit": self.asked.limit}
        log = folder / "measuring.log"
        ended = run([sys.executable, str(HERE / "measuring.py"), case.name, str(folder), json.dumps(job)], log)
        if ended.code != 0:
            print(f"{case.name}: measuring failed, {last_line(log)}", file=sys.stderr)
            return
        self.of(case)["measured"] = json.loads((folder / "measured.json").read_text(encoding="utf-8"))
        self.of(case)["measured"]["stamp"] = stamp


def last_line(log: Path) -> str:
    """Return the last line that a process said."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else ""


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", choices=list(ALL), help="run this case alone; may be repeated")
    parser.add_argument("--only", action="append", help="make this contender alone; may be repeated")
    parser.add_argument("--strategy", action="append", default=[], help="search with this strategy too")
    parser.add_argument("--cap", type=float, default=10.0, help="stop accuracy control at so many times ovquant's time")
    parser.add_argument("--time-budget", help="ovquant's time budget; without one its search ends by itself")
    parser.add_argument("--seconds", type=float, default=60.0, help="seconds of the final timing")
    parser.add_argument("--limit", type=int, help="take so few samples of all data, to check the harness")
    parser.add_argument("--out", type=Path, help="the folder of the results")
    parser.add_argument("--table", action="store_true", help="only render what is there")
    precision = parser.add_mutually_exclusive_group()
    precision.add_argument("--device-default", action="store_true", help="serve at the device's defaults (as without)")
    precision.add_argument("--f32", action="store_true", help="serve all models in f32")
    return parser.parse_args()


def main() -> None:
    """Run what was asked for, or render the table alone."""
    asked = arguments()
    suite = Suite(asked)
    if not asked.table:
        suite.run()
    suite.write()
    print(suite.out / "table.md")


if __name__ == "__main__":
    main()
