"""How often the exact paired test proves that a plan holds a budget of one point, by samples, disagreement and true drop.

    python examples/benchmark/power.py [--samples 1000,2000,5000,10000] [--levels 0.05,0.025]

Nothing is simulated: the outcomes that pass are enumerated, and their probability is summed. A level of 0.05 is that of one
test at 95 % confidence; 0.025 is that of the first look at a holdout in a run with --confidence 0.95, which keeps the other
half for the looks to come. Takes some minutes.
"""

import argparse

import numpy as np
import scipy.special
import scipy.stats

from ovquant.stats.exact import paired_p_value

MARGIN = 0.01
DISAGREEMENTS, DROPS = (0.01, 0.02, 0.03, 0.05), (0.0, 0.0025, 0.005)


def edges(samples: int, most: int, level: float) -> np.ndarray:
    """Return for each number of better samples up to `most` the largest number of worse ones that is proven, or -1."""
    found = np.full(most + 1, -1)
    guess = 0
    for better in range(most + 1):
        while paired_p_value(guess, better, samples, MARGIN) > level and guess >= 0:
            guess -= 1
        while paired_p_value(guess + 1, better, samples, MARGIN) <= level:
            guess += 1
        found[better] = guess
        guess = max(guess, -1) + 1
    return found


def power(edge: np.ndarray, samples: int, disagreement: float, drop: float) -> float:
    """Return the probability that a plan is proven: that few enough samples are worse, over how many are better."""
    better, worse = (disagreement - drop) / 2, (disagreement + drop) / 2
    counts = np.arange(edge.size)
    here = scipy.stats.binom.pmf(counts, samples, better)
    below = scipy.stats.binom.cdf(edge, samples - counts, worse / (1 - better))
    return float((here * below).sum())


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", default="1000,2000,5000,10000", help="sizes of the holdout, separated by commas")
    parser.add_argument("--levels", default="0.05,0.025", help="levels of error, separated by commas")
    asked = parser.parse_args()
    columns = [(level, drop) for level in map(float, asked.levels.split(",")) for drop in DROPS]
    print(
        "| held out | disagree | "
        + " | ".join(f"true drop {drop:.2%}, level {level:g}" for level, drop in columns)
        + " |"
    )
    print("| --- " * (len(columns) + 2) + "|")
    for samples in map(int, asked.samples.split(",")):
        # Seven standard deviations above the mean of the most that is asked for: beyond lies nothing that counts.
        rate = max(DISAGREEMENTS) / 2
        most = int(samples * rate + 7 * (samples * rate) ** 0.5) + 1
        known = {level: edges(samples, most, level) for level in {level for level, _ in columns}}
        for disagreement in DISAGREEMENTS:
            cells = [f"{power(known[level], samples, disagreement, drop):.3f}" for level, drop in columns]
            print(f"| {samples:,} | {disagreement:.0%} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
