"""What a training was, and what came of it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Taught:
    """A training of the numbers of a plan: how it was made, and how far outputs were from float's before and after it.

    `numbers` is the digest of the file that holds what was learned, `data` that of the inputs it was learned from, of which there were
    `samples`, those that were kept to tell when to end included. `before` and `after` are losses on the kept ones, as is `curve`,
    by steps. `steps` is where the best moment was, of `taken`. `versions` are those that the numbers can depend on.
    """

    trainer: str
    numbers: str
    data: str
    samples: int
    seed: int
    seconds: float
    rate: float
    steps: int
    taken: int
    before: float
    after: float
    curve: tuple[tuple[int, float], ...]
    threads: int
    versions: dict[str, str]
    notes: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """Say what it gained."""
        if not self.steps:
            gained = f"nothing brought outputs nearer to float's than {self.before:.3g}"
        else:
            gained = (
                f"outputs are {self.after:.3g} from float's, and were {self.before:.3g} before, on samples that were not trained on, "
                f"after {self.steps} of {self.taken} steps at the rate {self.rate:g}"
            )
        return "; ".join([f"trained by {self.trainer} for up to {self.seconds:g} s: {gained}", *self.notes])
