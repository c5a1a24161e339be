"""A decoder at several budgets, beside what NNCF and optimum-intel make of it with their own settings.

    python examples/benchmark/decoders.py [--only CONTENDER]... [--seconds 60] [--out DIR]

SmolLM2-135M, in perplexity. Each contender is made in a process of its own, with the same tales; all are then scored on
tales that none has seen, and timed in turn, a token after a prompt. What was made before is taken from OUT. The weights come from a
file whose grid has four bits and groups of 32, so what int4 costs looks too small.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from running import run

HERE = Path(__file__).resolve().parent
CASES = HERE.parent / "cases"
TEXTS = f"{CASES / 'smollm2.py'}:Texts"
SEARCH = f"{TEXTS}:table=grimm-tales,count=99,begin=320"
HOLDOUT = f"{TEXTS}:table=grimm-tales,count=160,begin=160"
FRESH = f"{TEXTS}:table=grimm-tales,count=160"
GENERATED = {"optimize": "next-token", "prompt_tokens": 64, "new_tokens": 32}
FOUR = {"mode": "INT4_SYM", "group_size": 64}
MADE_WELL = {**FOUR, "awq": True, "scale_estimation": True}
CONTENDERS: dict[str, dict[str, Any]] = {
    "nncf-int8": {"mode": "INT8_ASYM"},
    "nncf-int4": {"mode": "INT4_ASYM"},
    "nncf-int4-64": {**FOUR},
    "nncf-int4-awq-0.6": {**MADE_WELL, "ratio": 0.6},
    "nncf-int4-awq-0.8": {**MADE_WELL, "ratio": 0.8},
    "nncf-int4-awq-1.0": {**MADE_WELL, "ratio": 1.0},
    # The default of optimum-intel for a model that is not in its tables; sizes that do not divide channels are made smaller.
    "optimum-int4": {"mode": "INT4_ASYM", "group_size": 128, "ratio": 1.0, "adjust": True},
}
OURS = {
    f"ovquant-{budget}{end}": (budget, goal)
    for budget in ("1%", "3%", "10%")
    for end, goal in (("", "next-token"), ("-size", "size"))
}
"""Searches for the fastest plan in each budget, and for the smallest."""
DROPS = ("1%", "2%", "5%", "10%", "20%")
"""Drops of agreement for which it is told how many texts would prove them."""


def make(name: str, folder: Path) -> None:
    """Make the model of a contender."""
    sys.path.append(str(CASES))
    import smollm2

    known = dict[str, Any]()
    if name in CONTENDERS:
        by_nncf(dict(CONTENDERS[name]), smollm2.model(), folder)
    else:
        known = by_ovquant(*OURS[name], smollm2.model(), folder)
    (folder / "known.json").write_text(json.dumps(known) + "\n", encoding="utf-8")


def by_nncf(how: dict[str, Any], source: Path, folder: Path) -> None:
    """Compress the weights with NNCF as somebody does by hand."""
    import nncf
    import openvino
    from nncf.quantization.advanced_parameters import AdvancedCompressionParameters, GroupSizeFallbackMode

    from ovquant.plugins.datasets import open_dataset
    from ovquant.runtime import requests_of

    model = openvino.Core().read_model(source / "openvino_model.xml")
    if how.get("awq"):
        compiled = openvino.Core().compile_model(model, "CPU")
        names = [port.any_name for port in compiled.inputs]
        rows = [dict(zip(names, row, strict=True)) for row in requests_of(compiled, open_dataset(SEARCH), 64)]
        how["dataset"] = nncf.Dataset(rows)
    if how.pop("adjust", False):
        how["advanced_parameters"] = AdvancedCompressionParameters(
            group_size_fallback_mode=GroupSizeFallbackMode.ADJUST
        )
    how["mode"] = nncf.CompressWeightsMode[how["mode"]]
    openvino.save_model(nncf.compress_weights(model, **how), folder / "model.xml", compress_to_fp16=False)


def by_ovquant(budget: str, goal: str, source: Path, folder: Path) -> dict[str, Any]:
    """Search for the fastest plan within a budget of perplexity, or the smallest."""
    import ovquant

    given = {
        "data": SEARCH,
        "holdout": HOLDOUT,
        "metric": "perplexity",
        "max_drop": budget,
        **GENERATED,
        "optimize": goal,
    }
    result = ovquant.quantize(source, **given, output=folder / "out", force=True)
    for suffix in (".xml", ".bin"):
        (folder / f"model{suffix}").unlink(missing_ok=True)
        (folder / f"model{suffix}").hardlink_to(folder / "out" / f"model{suffix}")
    return {"plan": result.plan.full_title, "verdict": result.verdict}


def measured(names: list[str], out: Path, seconds: float) -> dict[str, Any]:
    """Score what was made on fresh texts, and time it beside float."""
    sys.path.append(str(CASES))
    import smollm2

    import ovquant
    from ovquant.measure.evaluate import evaluate_all
    from ovquant.measure.reference import Reference
    from ovquant.plugins.datasets import open_dataset
    from ovquant.plugins.metrics import resolve_metrics
    from ovquant.runtime import Deployment, compile_model, core, reference_properties

    source = smollm2.model() / "openvino_model.xml"
    float_model = compile_model(source, Deployment(properties=reference_properties(core().read_model(source), "CPU")))
    reference = Reference(lambda: float_model)
    metrics, fresh = resolve_metrics(["perplexity", "agreement"]), open_dataset(FRESH)
    models = {"float": source, **{name: out / name / "model.xml" for name in names}}
    found: dict[str, Any] = {}
    for name, path in models.items():
        compiled = compile_model(path, Deployment())
        perplexity, agreement = evaluate_all(compiled, fresh, metrics=metrics, reference=reference)
        size = sum(path.with_suffix(suffix).stat().st_size for suffix in (".xml", ".bin"))
        found[name] = {"perplexity": perplexity.score, "agreement": agreement.score, "mb": size / 1e6}
        found[name]["texts"] = texts_needed(agreement.items or ())
        made = path.with_name("made.json")
        found[name] |= json.loads(made.read_text(encoding="utf-8")) if made.exists() else {}
        del compiled
        print(name, found[name], flush=True)
    timed = ovquant.benchmark(list(models.values()), data=FRESH, seconds=seconds, **GENERATED)
    for name, one in zip(models, timed, strict=True):
        timing = one.timing
        found[name] |= {"ms": timing.p50_ms, "ratio": [timing.ratio, timing.ratio_low, timing.ratio_high]}
    return found


def texts_needed(shares: Sequence[float]) -> dict[str, int | None]:
    """Return for each allowed drop of agreement about how many texts like these prove it at 95 %; None where they let expect no proof."""
    from ovquant.domain.budget import Drop, Limit
    from ovquant.measure.proof import Paired

    paired = Paired(np.array(shares), np.ones(len(shares)), True, (0.0, 1.0), against_float=True)
    drops = {text: Limit(max_drop=Drop(float(text.rstrip("%")) / 100)) for text in DROPS}
    return {text: paired.needed(limit, 0.05) for text, limit in drops.items()}


def needed_table(found: dict[str, Any]) -> str:
    """Return as Markdown how many texts it takes to prove a drop of agreement."""
    rows = [f"| {name} | {one['agreement']:.4f} | " for name, one in found.items()]
    cells = [
        " | ".join(f"{one['texts'][text]:,}" if one["texts"][text] else "–" for text in DROPS) for one in found.values()
    ]
    head = [
        "| contender | agreement | " + " | ".join(f"at most {text}" for text in DROPS) + " |",
        "| --- " * (2 + len(DROPS)) + "|",
    ]
    return "\n".join([*head, *(f"{row}{cell} |" for row, cell in zip(rows, cells, strict=True))])


def table(found: dict[str, Any]) -> str:
    """Return what was measured as Markdown."""
    float_score = found["float"]["perplexity"]
    lines = [
        "| contender | perplexity | more than float's | agreement | ms per token | speed-up (95 %) | MB | made in s | peak MiB |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, one in found.items():
        ratio, low, high = one["ratio"]
        speed = "1.00" if name == "float" else f"{1 / ratio:.2f} ({1 / high:.2f} to {1 / low:.2f})"
        more = f"{one['perplexity'] / float_score - 1:+.1%}"
        made = [f"{one[key]:.0f}" if key in one else "–" for key in ("seconds", "peak_mib")]
        cells = [name, f"{one['perplexity']:.2f}", more, f"{one['agreement']:.4f}", f"{one['ms']:.1f}", speed]
        lines.append("| " + " | ".join([*cells, f"{one['mb']:.1f}", *made]) + " |")
    plans = [f"- {name}: {one['verdict']}, {one['plan']}." for name, one in found.items() if "plan" in one]
    return "\n".join([*lines, "", *plans])


def main() -> None:
    """Make what is missing, measure all, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", action="append", choices=[*CONTENDERS, *OURS], help="make and measure this alone; may be repeated"
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="seconds of the timing at the end")
    parser.add_argument("--out", type=Path, default=Path("out/decoders"), help="the folder of models and results")
    parser.add_argument("--make", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.make:
        make(asked.make, asked.out / asked.make)
        return
    names = []
    for name in asked.only or [*CONTENDERS, *OURS]:
        (asked.out / name).mkdir(parents=True, exist_ok=True)
        if not (asked.out / name / "made.json").exists():
            ended = run([sys.executable, __file__, "--make", name, "--out", str(asked.out)], asked.out / f"{name}.log")
            if ended.code:
                cause = (asked.out / f"{name}.log").read_text(encoding="utf-8").strip().splitlines()[-1:]
                print(f"{name} was not made: {''.join(cause)}", flush=True)
                continue
            known = json.loads((asked.out / name / "known.json").read_text(encoding="utf-8"))
            facts = {**known, "seconds": ended.seconds, "peak_mib": ended.peak_mib}
            (asked.out / name / "made.json").write_text(json.dumps(facts) + "\n", encoding="utf-8")
        names.append(name)
    found = measured(names, asked.out, asked.seconds)
    (asked.out / "decoders.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(table(found), "", needed_table(found), sep="\n")


if __name__ == "__main__":
    main()
