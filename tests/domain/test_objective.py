"""Objectives, and how decoders are timed."""

from typing import get_args

from ovquant.domain.objective import GENERATING, Generation, Objective
from ovquant.measure.stopwatch import INTERLEAVE
from ovquant.plugins.reports.figures import TIMED


def test_each_objective_can_be_timed_and_told() -> None:
    assert {*get_args(Objective)} == {*INTERLEAVE} == {*TIMED}
    assert {*GENERATING} < {*INTERLEAVE}


def test_a_decoder_is_timed_as_an_answer_to_a_short_prompt() -> None:
    assert Generation() == Generation(prompt_tokens=128, new_tokens=64)
