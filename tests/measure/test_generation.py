"""What a decoder goes on to write after a prompt."""

from pathlib import Path

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from ovquant.domain.objective import Generation
from ovquant.domain.plan import Plan
from ovquant.domain.profile import Profile
from ovquant.domain.recipe import Recipe
from ovquant.domain.split import split_data
from ovquant.errors import ModelError
from ovquant.measure import generation
from ovquant.measure.generation import refuse_degenerate
from ovquant.measure.models import Models
from ovquant.plugins.metrics import resolve_metrics
from ovquant.runtime import Deployment
from tests.decoders import Texts, decoder

HOW = Generation(12, 10)
PLAN = Plan("weights", Recipe(algorithm="weights"))


class Served(Models):
    """Models of which the plan's is another one, as if quantizing had made it."""

    other: openvino.Model

    def build(self, plan: Plan) -> Path:
        if plan.recipe is None:
            return super().build(plan)
        path = self.folder / "other.xml"
        openvino.save_model(self.other, path, compress_to_fp16=False)
        return path


def served(folder: Path, other: openvino.Model, float_model: openvino.Model | None = None) -> Models:
    splits = split_data(Texts(60), seed=0)
    profile = Profile(folder / "profile.jsonl")
    made = Served(
        float_model or decoder(), splits, resolve_metrics("agreement")[0], Deployment(), profile, folder / "trials"
    )
    made.other = other
    return made


def writing(*, weight: float, bias: float) -> openvino.Model:
    """Return a decoder whose logits are scaled, and raised at token 7."""
    model = decoder()
    result = model.get_results()[0]
    raised = np.zeros((1, 1, 120), np.float32)
    raised[..., 7] = bias
    changed = ops.add(ops.multiply(result.input_value(0), ops.constant(np.float32(weight))), ops.constant(raised))
    result.input(0).replace_source_output(changed.output(0))
    model.outputs[0].get_tensor().set_names({"logits"})
    model.validate_nodes_and_infer_types()
    return model


def test_what_writes_as_float_does_is_right(tmp_path: Path) -> None:
    refuse_degenerate(served(tmp_path, decoder()), PLAN, HOW)


def test_logits_that_are_nan_are_told(tmp_path: Path) -> None:
    broken = served(tmp_path, writing(weight=float("nan"), bias=0))
    with pytest.raises(
        ModelError, match="a prompt of 12 tokens the plan int8 weights writes 0, and then its logits are NaN"
    ):
        refuse_degenerate(broken, PLAN, HOW)
    nan = writing(weight=float("nan"), bias=0)
    refuse_degenerate(served(tmp_path / "both", nan, nan), PLAN, HOW)


def test_one_token_for_ever_is_told_where_float_writes_more(tmp_path: Path) -> None:
    stuck = writing(weight=1, bias=1e4)
    with pytest.raises(ModelError, match="writes one token for ever, which float does not"):
        refuse_degenerate(served(tmp_path / "one", stuck), PLAN, HOW)
    refuse_degenerate(served(tmp_path / "both", stuck, stuck), PLAN, HOW)
    # A word of few tokens may well be one token.
    refuse_degenerate(served(tmp_path / "few", stuck), PLAN, Generation(12, generation.LEAST - 1))


def test_what_was_written_is_not_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = served(tmp_path, decoder())
    refuse_degenerate(models, PLAN, HOW)
    monkeypatch.setattr(generation.runtime, "feeder_of", None)
    refuse_degenerate(models, PLAN, HOW)
