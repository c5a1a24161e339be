"""What a search makes small, and how a decoder is timed."""

from dataclasses import dataclass
from typing import Literal

Objective = Literal["latency", "throughput", "size", "first-token", "next-token"]
GENERATING = ("first-token", "next-token")
"""Objectives of decoders: the time until the first token of an answer, and the time for each that follows."""


@dataclass(frozen=True)
class Generation:
    """How a decoder is timed: how many tokens a prompt has, and how many are generated after it."""

    prompt_tokens: int = 128
    new_tokens: int = 64
