"""What training the numbers of int4 weights gains, with all matrix products in int4: by ways, on data of another kind than it learned from.

    python examples/benchmark/learned.py --case smollm2|minilm [--seconds 600] [--only WAY]... [--out DIR]

Each is made in a process of its own, and judged beside float in f32: the decoder on tales, after it has learned from excerpts of books; the
encoder on Reuters' test texts, after it has learned from other ones. What was made before is taken from OUT. The result is printed, and kept
as OUT/CASE.json, and how training went as OUT/CASE.svg.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from running import run

HERE = Path(__file__).resolve().parent
CASES = HERE.parent / "cases"
FOUR = "weights:bits=4,group_size=64"
SEARCHES: dict[str, dict[str, Any]] = {
    "smollm2": {
        "data": f"{CASES}/smollm2.py:Texts:table=book-excerpts,count=120",
        "holdout": f"{CASES}/smollm2.py:Texts:table=book-excerpts,count=40,begin=600",
        "train_data": f"{CASES}/smollm2.py:Texts:table=book-excerpts,count=400",
        "module": f"{CASES}/smollm2.py:module",
        "metric": "perplexity",
        "max_drop": "100%",
        "optimize": "size",
    },
    "minilm": {
        "train_data": f"{CASES}/minilm.py:Texts:part=search,count=2000",
        "module": f"{CASES}/passages.py:module",
        "metric": "ndcg",
        "max_drop": "90%",
        "group_by": "query",
    },
}
WAYS = {
    "int8 weights": "weights",
    "data-free": FOUR,
    "scale estimation": f"{FOUR},scale_estimation=true",
    "AWQ, scale estimation": f"{FOUR},awq=true,scale_estimation=true",
    "end-to-end": f"{FOUR},scale_estimation=true+train:trainer=end-to-end,seconds=%d",
    "by-block": f"{FOUR},scale_estimation=true+train:trainer=by-block,seconds=%d",
}
TEXTS, NEAREST = 600, 10


def source(case: str) -> Path:
    """Return the folder of the float model, and make it where it is not there."""
    sys.path.append(str(CASES))
    if case == "smollm2":
        import smollm2

        return smollm2.model()
    import passages

    return passages.folder()


def make(case: str, way: str, seconds: int, folder: Path) -> None:
    """Make the model of a way, and write down what its training was."""
    import ovquant

    given, model = dict(SEARCHES[case]), source(case)
    if case == "minilm":
        given |= {"data": f"{model}/search.jsonl", "holdout": f"{model}/holdout.jsonl"}
    recipe = WAYS[way] % seconds if "%d" in WAYS[way] else WAYS[way]
    result = ovquant.quantize(model, recipes=[recipe], output=folder / "out", force=True, **given)
    trial = next(trial for trial in result.trials if trial.plan.name == recipe)
    if trial.problem:
        raise SystemExit(trial.problem)
    # A plan that is no faster than float is not returned, and its numbers are of interest all the same.
    plan = ovquant.Plan.load(folder / "out" / "plan.json")
    if plan.name != recipe:
        raise SystemExit(f"'{plan.name}' was returned, and not '{recipe}': give --optimize size")
    taught = plan.taught
    known = {} if taught is None else {"taught": taught.told, "curve": taught.curve, "before": taught.before}
    (folder / "known.json").write_text(json.dumps(known) + "\n", encoding="utf-8")


def decoder_scores(path: Path, float_path: Path) -> dict[str, float]:
    """Return perplexity on tales, and how often the next token is float's."""
    import ovquant

    fresh = f"{CASES}/smollm2.py:Texts:table=grimm-tales,count=400"
    found = {}
    for metric in ("perplexity", "agreement"):
        told = ovquant.evaluate(path, data=fresh, metric=metric, reference=float_path)
        found[metric] = told.evaluation.score
    return found


def encoder_scores(path: Path, float_path: Path) -> dict[str, float]:
    """Return one less the cosine to float's embedding, and the share of the ten nearest texts that are float's, on texts of the test part."""
    import minilm
    import openvino

    samples = [minilm.Texts("holdout")[place].inputs for place in range(TEXTS)]
    both = []
    for file, properties in ((path, {}), (float_path, {"INFERENCE_PRECISION_HINT": "f32"})):
        compiled = openvino.Core().compile_model(file, "CPU", properties)
        rows = np.concatenate([compiled({k: v[None] for k, v in one.items()})[0].mean(1) for one in samples])
        both.append(rows / np.linalg.norm(rows, axis=1, keepdims=True))
    mine, theirs = both
    nearest = [np.argsort(-(rows @ rows.T) + 2 * np.eye(TEXTS), axis=1)[:, :NEAREST] for rows in both]
    shared = [len({*one} & {*other}) / NEAREST for one, other in zip(*nearest, strict=True)]
    return {"1 - cosine": float(1 - (mine * theirs).sum(1).mean()), "same ten nearest": float(np.mean(shared))}


def measured(case: str, names: list[str], out: Path) -> dict[str, Any]:
    """Score what was made on data that it has not learned from."""
    float_path = source(case) / "openvino_model.xml"
    scores = decoder_scores if case == "smollm2" else encoder_scores
    found: dict[str, Any] = {"float": scores(float_path, float_path)}
    for name in names:
        folder = out / case / name
        path = folder / "out" / "model.xml"
        size = sum(path.with_suffix(suffix).stat().st_size for suffix in (".xml", ".bin")) / 1e6
        made = json.loads((folder / "made.json").read_text(encoding="utf-8"))
        found[name] = {**scores(path, float_path), "mb": size, **made}
    return found


def draw(found: dict[str, Any], file: Path) -> None:
    """Draw how far outputs were from float's at each look of each training, relative to where it began; short runs aside."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3))
    axes = figure.subplots()
    for name, one in found.items():
        if "curve" in one:
            # The first look is where it begins, and the next two are short runs at a rate each.
            points = [(0, one["before"]), *one["curve"][3:]]
            axes.plot(
                [step for step, _ in points], [distance / one["before"] for _, distance in points], ".-", label=name
            )
    axes.set(xlabel="steps", ylabel="distance from float's outputs, of untrained", ylim=(0, None))
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(file, bbox_inches="tight")


def table(found: dict[str, Any]) -> str:
    """Return what was measured as Markdown."""
    kinds = list(found["float"])
    lines = [f"| numbers by | {' | '.join(kinds)} | MB | made in s | peak MiB |", "| --- " * (4 + len(kinds)) + "|"]
    for name, one in found.items():
        scores = " | ".join(f"{one[kind]:.4g}" for kind in kinds)
        rest = [f"{one[key]:.0f}" if key in one else "–" for key in ("seconds", "peak_mib")]
        size = f"{one['mb']:.1f}" if "mb" in one else "–"
        lines.append("| " + " | ".join([name, scores, size, *rest]) + " |")
    return "\n".join([*lines, "", *(f"- {name}: {one['taught']}" for name, one in found.items() if one.get("taught"))])


def main() -> None:
    """Make what is missing, score all, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", choices=list(SEARCHES), default="smollm2")
    parser.add_argument("--only", action="append", choices=list(WAYS), help="make this alone; may be repeated")
    parser.add_argument("--seconds", type=int, default=600, help="how long each is trained")
    parser.add_argument("--out", type=Path, default=Path("out/learned"), help="the folder of models and results")
    parser.add_argument("--make", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.make:
        make(asked.case, asked.make, asked.seconds, asked.out / asked.case / asked.make)
        return
    names = []
    for name in asked.only or WAYS:
        folder = asked.out / asked.case / name
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "made.json").exists():
            command = [sys.executable, __file__, "--case", asked.case, "--make", name, "--seconds", str(asked.seconds)]
            ended = run([*command, "--out", str(asked.out)], folder / "log")
            if ended.code:
                cause = (folder / "log").read_text(encoding="utf-8").strip().splitlines()[-1:]
                print(f"{name} was not made: {''.join(cause)}", flush=True)
                continue
            known = json.loads((folder / "known.json").read_text(encoding="utf-8"))
            facts = {**known, "seconds": ended.seconds, "peak_mib": ended.peak_mib}
            (folder / "made.json").write_text(json.dumps(facts) + "\n", encoding="utf-8")
        names.append(name)
    found = measured(asked.case, names, asked.out)
    (asked.out / f"{asked.case}.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    draw(found, asked.out / f"{asked.case}.svg")
    print(table(found))


if __name__ == "__main__":
    main()
