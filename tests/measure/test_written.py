"""What a model writes is an output beside its own, for metrics that read it."""

from collections.abc import Sequence

import numpy as np

from ovquant.domain.sample import GENERATED, Dataset, Generate, Sample, Tokens
from ovquant.measure.evaluate import evaluate_all
from ovquant.measure.reference import Reference
from ovquant.measure.written import with_generated
from ovquant.plugins.metrics import resolve_metrics
from ovquant.runtime import Deployment, compile_model, infer
from ovquant.runtime.writer import Writer
from tests.decoders import decoder

IN_F32 = Deployment(properties={"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"})


def spelled(ids: Sequence[int]) -> str:
    return " ".join(map(str, ids))


def prompts(count: int, generate: Generate | None) -> list[Sample]:
    random = np.random.default_rng(0)
    rows = [random.integers(0, 120, 4 + place) for place in range(count)]
    return [Sample(Tokens({"input_ids": row}, generate=generate), "") for row in rows]


def test_texts_are_compared_with_what_is_written() -> None:
    compiled = compile_model(decoder(), IN_F32)
    asked = Generate(3, decode=spelled)
    data = prompts(3, asked)
    written = [spelled(Writer(compiled).write(sample, asked)) for sample in data]
    targets = [written[0], f"{written[1]} 200", written[2]]
    right: Dataset = [Sample(sample.inputs, target) for sample, target in zip(data, targets, strict=True)]  # type: ignore[assignment]
    metrics = resolve_metrics(["exact", "wer", "agreement"])
    exact, wer, agreement = evaluate_all(compiled, right, metrics=metrics, reference=Reference(lambda: compiled))
    assert exact.items == (1, 0, 1)
    assert wer.score == 1 / 10
    assert agreement.score == 1


def test_where_nothing_is_asked_for_outputs_stay_as_they_are() -> None:
    compiled = compile_model(decoder(), IN_F32)
    plain: Dataset = prompts(2, None)  # type: ignore[assignment]
    block = next(infer(compiled, plain))
    assert with_generated(compiled, plain, block) is block
    asked: Dataset = prompts(2, Generate(4))  # type: ignore[assignment]
    found = with_generated(compiled, asked, next(infer(compiled, asked)))
    assert [set(outputs) for outputs in found.outputs] == [{"logits", GENERATED}] * 2
    assert [outputs[GENERATED].shape for outputs in found.outputs] == [(1, 4)] * 2
