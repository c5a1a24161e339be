"""What a decoder goes on to write: what is NaN, or one token for ever where float writes more, is no answer."""

from dataclasses import astuple

from ovquant import runtime
from ovquant.domain.objective import Generation
from ovquant.domain.plan import Plan
from ovquant.errors import ModelError
from ovquant.measure.models import Models
from ovquant.runtime.writer import greedy

LEAST = 8
"""Tokens from which on one token again and again is for ever."""


def refuse_degenerate(models: Models, plan: Plan, generation: Generation) -> None:
    """Raise ModelError where what a plan writes after a prompt, each token the likeliest, is no answer, and float's in f32 is."""
    written, prompt = _written(models, plan, generation), f"After a prompt of {generation.prompt_tokens} tokens"
    broken, stuck = len(written) < generation.new_tokens, len(written) >= LEAST and len({*written}) == 1
    if not (broken or stuck):
        return
    right = _written(models, models.reference_plan, generation)
    if broken and len(written) < len(right):
        raise ModelError(f"{prompt} the plan {plan.full_title} writes {len(written)}, and then its logits are NaN.")
    if stuck and len({*right}) > 1:
        raise ModelError(f"{prompt} the plan {plan.full_title} writes one token for ever, which float does not.")


def _written(models: Models, plan: Plan, generation: Generation) -> list[int]:
    """Return what a plan writes after the first prompt of the search split, until its logits are NaN."""
    data = models.splits.search

    def measure() -> list[int]:
        compiled = models.compiled(plan)
        prompt, _, *sample = runtime.prompts_of(compiled, data, generation)[0]
        feeder = runtime.feeder_of(compiled)
        feeder.begin(sample)
        return greedy(feeder, prompt, generation.new_tokens)

    key = {**models.built_key(plan, values=True), "data": data.inputs, "tokens": list(astuple(generation))}
    return models.profile.measured("generation", key, measure, lambda value: [int(token) for token in value])
