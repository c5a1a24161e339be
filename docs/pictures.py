"""Draw the pictures of docs/concepts.md: what OpenVINO's own FakeQuantize does to numbers, seed by seed the same.

    python docs/pictures.py

Needs matplotlib. Writes docs/concept-*.svg.
"""

from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
import openvino
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from openvino import opset13 as ops

HERE = Path(__file__).resolve().parent
FLOAT, INTEGER, WRONG = "#5b6b7b", "#0068b5", "#c8102e"
mpl.rcParams.update({"svg.hashsalt": "ovquant", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9})
mpl.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})


def quantized(values: np.ndarray, low: float, high: float, levels: int) -> np.ndarray:
    """Return float32 values rounded by FakeQuantize to so many levels between two ends."""
    given = ops.parameter(list(values.shape), np.float32)
    ends = [ops.constant(np.float32(end)) for end in (low, high, low, high)]
    model = openvino.Model([ops.fake_quantize(given, *ends, levels)], [given], "rounded")
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.asarray(compiled(values.astype(np.float32))[0])


def error(values: np.ndarray, found: np.ndarray) -> float:
    """Return the squared error relative to the values' squares."""
    return float(np.square(found - values).sum() / np.square(values).sum())


def swish(values: np.ndarray) -> np.ndarray:
    """Return what a Swish makes of values: most of it above 0, none of it far below."""
    return np.asarray(values / (1 + np.exp(-values)))


def steps(axes: tuple[Axes, ...]) -> None:
    """Draw what integers of 4 bits stand for, with ranges around 0 and with ranges where the numbers are."""
    values = swish(np.random.default_rng(0).normal(0.5, 1.2, 20_000)).clip(-0.28, 3.5)
    most = float(values.max())
    ends = {"symmetric": (-most * 8 / 7, most), "asymmetric": (float(values.min()), most)}
    line = np.linspace(-1.5, 4, 2_000)
    for axis, (name, (low, high)) in zip(axes, ends.items(), strict=True):
        scale = (high - low) / 15
        axis.hist(values, 80, color=FLOAT, alpha=0.35, density=True)
        axis.set(yticks=[], xlabel="value", xlim=(-1.5, 4))
        lost = error(values, quantized(values, low, high, 16))
        zero = 0 if name == "symmetric" else round(-low / scale) - 8
        axis.set_title(f"{name}: scale {scale:.2f}, zero point {zero},\n{lost:.2%} of the squares lost")
        beside = axis.twinx()
        beside.plot(line, quantized(line, low, high, 16), color=INTEGER)
        beside.set_ylabel("what it becomes", color=INTEGER)


def ranges(axes: tuple[Axes, ...]) -> None:
    """Draw the error by where a range is cut: numbers that calibration saw, a few of them far out."""
    draw = np.random.default_rng(1)
    values = np.concatenate([draw.normal(0, 1, 20_000), draw.normal(0, 7, 12)])
    farthest = float(np.abs(values).max())
    cuts = np.linspace(1, farthest, 60)
    lost = [error(values, quantized(values, -cut, cut, 16)) for cut in cuts]
    best = float(cuts[int(np.argmin(lost))])
    axes[0].hist(values, 120, color=FLOAT, alpha=0.5, log=True)
    axes[1].plot(cuts, lost, color=FLOAT)
    axes[0].set(title="activations that calibration saw", xlabel="value", ylabel="how many")
    axes[1].set(title="squares lost, by the end of the range", xlabel="end of the range", ylim=(0, 1.05 * max(lost)))
    for end, name, colour in ((best, "least error", INTEGER), (farthest, "min-max", WRONG)):
        axes[0].axvline(end, color=colour)
        axes[0].axvline(-end, color=colour)
        axes[1].axvline(end, color=colour, label=name)
    axes[1].legend(frameon=False)


def dynamic(axes: tuple[Axes, ...]) -> None:
    """Draw ranges that are fixed beforehand and ranges of each request, and what either loses."""
    draw = np.random.default_rng(2)
    sizes = np.exp(draw.normal(0, 0.6, 40))
    requests = [draw.normal(0, size, 2_000) for size in sizes]
    fixed = float(max(np.abs(each).max() for each in requests[:20]))
    own = [float(np.abs(each).max()) for each in requests]
    axes[0].plot(own, "o", color=INTEGER, markersize=3, label="dynamic: of each request")
    axes[0].axhline(fixed, color=FLOAT, label="static: of the first 20")
    axes[0].set(title="end of the range", xlabel="request", ylim=(0, 1.45 * max(own)))
    axes[0].legend(frameon=False, loc="upper left")
    for ends, colour in (([fixed] * 40, FLOAT), (own, INTEGER)):
        lost = [error(each, quantized(each, -end, end, 255)) for each, end in zip(requests, ends, strict=True)]
        axes[1].semilogy(lost, "o", color=colour, markersize=3)
    axes[1].set(title="squares lost with 8 bits", xlabel="request")


def mixed(axes: tuple[Axes, ...]) -> None:
    """Draw what each of eight layers loses when it alone is quantized, and what is lost when the worst stay in float."""
    draw = np.random.default_rng(3)
    weights = [draw.normal(0, 1 / 8, (64, 64)) for _ in range(8)]
    for place in (2, 5):
        weights[place][:, 0] *= 40
    data = draw.normal(0, 1, (256, 64))

    def run(integer: set[int]) -> np.ndarray:
        state = data
        for place, weight in enumerate(weights):
            if place in integer:
                end, large = np.abs(weight).max(), np.abs(state).max()
                state = quantized(state, -large, large, 255) @ quantized(weight, -end, end, 255)
            else:
                state = state @ weight
            state = np.tanh(state)
        return state

    truth = run(set())
    alone = [error(truth, run({place})) for place in range(8)]
    ranked = [int(place) for place in np.argsort(alone)[::-1]]
    kept = set(ranked[:2])
    axes[0].bar(range(1, 9), alone, color=[WRONG if place in kept else INTEGER for place in range(8)])
    axes[0].set(title="squares of the output lost,\neach layer in int8 alone", xlabel="layer", yscale="log")
    together = [error(truth, run(set(ranked[count:]))) for count in range(8)]
    axes[1].semilogy(range(8), together, "o-", color=FLOAT, markersize=3)
    axes[1].set(title="lost by all others together", xlabel="layers kept in float, the worst first")


def trained(axes: tuple[Axes, ...]) -> None:
    """Draw two weights of a layer: what rounding makes of the best ones, and the pair of levels that loses least."""
    draw = np.random.default_rng(4)
    first = draw.normal(0, 1, 400)
    data = np.stack([first, 0.95 * first + 0.3 * draw.normal(0, 1, 400)], 1)
    best, grid = np.array([0.68, -0.36]), np.arange(-1, 1.01, 0.5)

    def lost(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        parted = np.stack([x - best[0], y - best[1]], -1) @ data.T
        return np.asarray(np.square(parted).mean(-1))

    x, y = np.meshgrid(np.linspace(-1, 1.2, 120), np.linspace(-1.2, 1, 120))
    pairs = np.stack(np.meshgrid(grid, grid), -1).reshape(-1, 2)
    losses = lost(pairs[:, 0], pairs[:, 1])
    near, least = int(np.argmin(np.square(pairs - best).sum(1))), int(np.argmin(losses))
    (axis,) = axes
    axis.contour(x, y, lost(x, y), levels=[0.005, 0.02, 0.05, 0.1, 0.2, 0.4], colors=FLOAT, linewidths=0.6)
    axis.plot(*pairs.T, ".", color=FLOAT, markersize=4)
    axis.plot(*best, "*", color="black", markersize=9, label="trained in float")
    axis.plot(*pairs[near], "o", color=WRONG, label=f"rounded afterwards: error {losses[near]:.3f}")
    axis.plot(*pairs[least], "o", color=INTEGER, label=f"least of all pairs: error {losses[least]:.3f}")
    axis.set(
        xlabel="one weight", ylabel="another", aspect="equal", title="levels of two weights, and lines of equal error"
    )
    axis.legend(frameon=False, loc="center left", bbox_to_anchor=(1.02, 0.5))


PICTURES: dict[str, tuple[int, Callable[[tuple[Axes, ...]], None]]] = {
    "steps": (2, steps),
    "ranges": (2, ranges),
    "dynamic": (2, dynamic),
    "mixed": (2, mixed),
    "trained": (1, trained),
}


def main() -> None:
    """Write docs/concept-NAME.svg for each picture."""
    for name, (count, draw) in PICTURES.items():
        figure = Figure(figsize=(7.2, 2.7), layout="constrained", facecolor="white")
        draw(tuple(figure.subplots(1, count, squeeze=False)[0]))
        figure.savefig(HERE / f"concept-{name}.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
