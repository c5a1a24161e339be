"""Samples that float got right and the returned plan got wrong, or less right, as plain data."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class LostSample:
    """One sample of the holdout that scores less with the plan than with float, as far as it can be shown.

    `index` is its place in the data that were given. `target` and the answers are texts, "" where there is none to show: an answer
    is the class of the highest output. `picture` is a PNG as a data URI, or "" for what is no picture, and then `values` has the
    first numbers of the input.
    """

    index: int
    target: str
    float_answer: str
    answer: str
    float_score: float
    score: float
    picture: str = ""
    values: str = ""

    @property
    def hidden(self) -> "LostSample":
        """Return the sample without what it holds: its place and its scores alone."""
        return replace(self, target="", float_answer="", answer="", picture="", values="")
