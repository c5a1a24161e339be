"""Check scores against numbers worked by hand, and what is refused."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ovquant.errors import MetricError, UsageError
from ovquant.plugins.extras import library
from ovquant.plugins.metrics import resolve_metric
from ovquant.plugins.metrics.retrieval import embedded


def score(metric: str, outputs: Any, targets: Any) -> float:
    """Return what a metric gives for one batch."""
    found: Any = resolve_metric(metric)
    return float(found.aggregate(found.measure(outputs, targets)))


def refusal(metric: str, outputs: Any, targets: Any) -> str:
    """Return the message of the MetricError that a metric raises."""
    with pytest.raises(MetricError) as caught:
        score(metric, outputs, targets)
    return str(caught.value)


SCORES = np.array([[0.1, 0.7, 0.2], [0.5, 0.2, 0.3], [0.2, 0.3, 0.5]])


@pytest.mark.parametrize(
    ("metric", "targets", "expected"),
    [("accuracy", [1, 0, 1], 2 / 3), ("accuracy:k=2", [1, 0, 1], 1.0), ("accuracy:k=2", [0, 1, 0], 0.0)],
)
def test_accuracy(metric: str, targets: list[int], expected: float) -> None:
    assert score(metric, SCORES, targets) == pytest.approx(expected)


@pytest.mark.parametrize(
    "targets", [np.array([1, 0, 2]), [np.array([1]), np.array([0]), np.array([2])], [1.0, 0.0, 2.0]]
)
def test_accuracy_takes_targets_of_any_number_form(targets: Any) -> None:
    assert score("accuracy", SCORES, targets) == 1.0


def test_accuracy_of_class_ids() -> None:
    assert score("accuracy", np.array([1, 2, 2]), [1, 2, 0]) == pytest.approx(2 / 3)
    assert score("accuracy", np.array([[1], [2], [2]]), [1, 2, 0]) == pytest.approx(2 / 3)
    assert score("accuracy", np.array([[1, 2], [2, 0]]), [[1, 2], [2, 1]]) == 0.75


def test_accuracy_of_binary_scores() -> None:
    logits = np.array([[0.2], [-0.3], [1.0]])
    assert score("accuracy:threshold=0", logits, [1, 0, 0]) == pytest.approx(2 / 3)
    assert "threshold=" in refusal("accuracy", logits, [1, 0, 0])


def test_accuracy_along_an_axis() -> None:
    masks = np.zeros((1, 2, 1, 4))
    masks[0, 1, 0, :3] = 1
    assert score("accuracy:axis=1", masks, [[[1, 1, 0, 0]]]) == 0.75


def test_accuracy_refuses() -> None:
    assert "fit a target" in refusal("accuracy", SCORES, [[0, 0, 1], [1, 0, 0], [0, 1, 0]])  # one-hot
    assert "NaN" in refusal("accuracy", SCORES * math.nan, [0, 0, 0])
    assert "needs targets" in refusal("accuracy", SCORES, [None] * 3)
    assert "class ids" in refusal("accuracy", SCORES, ["cat"] * 3)
    assert "k=4" in refusal("accuracy:k=4", SCORES, [0, 1, 2])
    assert "3 outputs for 2 targets" in refusal("accuracy", SCORES, [0, 1])
    for text in ("accuracy:axis=0", "accuracy:k=0"):
        with pytest.raises(UsageError):
            resolve_metric(text)


def test_one_output_of_several_is_chosen_by_name() -> None:
    outputs = {"left": SCORES, "right": SCORES[::-1]}
    assert score("accuracy:output=right", outputs, [2, 0, 1]) == 1.0
    assert "'left', 'right'" in refusal("accuracy", outputs, [2, 0, 1])
    assert "'left', 'right'" in refusal("accuracy:output=middle", outputs, [2, 0, 1])


def test_f1() -> None:
    ids = np.array([0, 0, 1, 1])
    # Class 0: precision 1/2, recall 1, F1 2/3; class 1: precision 1, recall 2/3, F1 4/5.
    assert score("f1", ids, [0, 1, 1, 1]) == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert score("f1:average=binary", ids, [0, 1, 1, 1]) == pytest.approx(4 / 5)
    assert score("f1:average=micro", ids, [0, 1, 1, 1]) == pytest.approx(3 / 4)


def test_miou() -> None:
    found, truth = np.array([[[0, 0], [1, 1]]]), np.array([[[0, 1], [1, 1]]])
    assert score("miou", found, truth) == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert score("miou:ignore_index=0", found, truth) == pytest.approx((0 + 2 / 3) / 2)
    assert score("miou", np.eye(2)[found].transpose(0, 3, 1, 2), truth) == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert "id 255 is outside" in refusal("miou:num_classes=2", found, np.array([[[0, 255], [1, 1]]]))
    assert math.isnan(score("miou:ignore_index=0", found, np.zeros((1, 2, 2), dtype=int)))


def test_miou_sums_over_the_set_before_dividing() -> None:
    found = np.array([[0, 0, 0, 1], [1, 1, 0, 0]])
    truth = np.array([[0, 0, 0, 0], [1, 1, 1, 1]])
    assert score("miou:axis=-1", found, truth) == pytest.approx((3 / 6 + 2 / 5) / 2)


TARGET = {"boxes": [[0, 0, 10, 10], [20, 20, 30, 30]], "labels": [1, 1]}


def test_map_of_one_hit_in_two() -> None:
    found = np.array([[[0, 0, 10, 10, 0.9, 1]]])
    # Precision is 1 up to a recall of one half: 51 of COCO's 101 recall levels.
    assert score("map", found, [TARGET]) == pytest.approx(51 / 101)


def test_map_counts_overlap() -> None:
    found = np.array([[[0, 0, 10, 7, 0.9, 1]]])  # an overlap of 0.7: 0.5, 0.55, 0.6, 0.65, 0.7 of ten levels
    target = {"boxes": [[0, 0, 10, 10]], "labels": [1]}
    assert score("map", found, [target]) == pytest.approx(0.5)
    assert score("map:iou=0.5", found, [target]) == pytest.approx(1.0)
    assert score("map:iou=0.75", found, [target]) == pytest.approx(0.0)


def test_map_reads_every_documented_form() -> None:
    rows = np.array([[0, 0, 10, 10, 0.9, 1], [20, 20, 30, 30, 0.8, 1]])
    named = {"boxes": rows[None, :, :4], "scores": rows[None, :, 4], "labels": rows[None, :, 5].astype(int)}
    fifth = {"boxes": [rows[:, :5]], "labels": [rows[:, 5].astype(int)]}
    output = np.array(
        [[0, 1, 0.9, 0, 0, 10, 10], [0, 1, 0.8, 20, 20, 30, 30], [-1, 0, 0, 0, 0, 0, 0], [0, 1, 1, 1, 1, 2, 2]]
    )
    for form in (rows[None], [rows], named, fifth, output[None, None], [output[None, None]]):
        assert score("map", form, [TARGET]) == pytest.approx(1.0)
    renamed = {"b": named["boxes"], "s": named["scores"], "l": named["labels"] - 1}
    assert score("map:boxes=b,scores=s,labels=l,label_offset=1", renamed, [TARGET]) == pytest.approx(1.0)
    assert score("map:min_score=0.85", rows[None], [TARGET]) == pytest.approx(51 / 101)


def test_map_decodes(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("def boxes(out):\n    return {'boxes': out[0] * 10, 'scores': [0.5, 0.5], 'labels': [1, 1]}\n")
    outputs = np.array([[[0, 0, 1, 1], [2, 2, 3, 3]]])
    assert score(f"map:decode={file}:boxes", outputs, [TARGET]) == pytest.approx(1.0)


def test_map_of_nothing() -> None:
    nothing = np.zeros((1, 0, 6))
    assert score("map", nothing, [TARGET]) == 0.0
    assert "no target has a box" in refusal("map", nothing, [{"boxes": [], "labels": []}])


def test_map_keeps_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    score("map", np.array([[[0, 0, 10, 10, 0.9, 1]]]), [TARGET])
    assert capsys.readouterr().out == ""


def test_map_refuses() -> None:
    found = np.array([[[0, 0, 10, 10, 0.9, 1]]])
    assert "decode=" in refusal("map", np.zeros((1, 84, 80)), [TARGET])
    assert "there are logits, pred" in refusal("map", {"logits": found, "pred": found}, [TARGET])
    assert "targets {boxes" in refusal("map", found, [3])
    assert "do not fit" in refusal("map", found, [{"boxes": [[0, 0, 1, 1]], "labels": [1, 2]}])
    assert "NaN" in refusal("map", found * math.nan, [TARGET])


def test_error_rates() -> None:
    found, expected = np.array(["the bat", "a dog"]), ["the cat", "a big dog"]
    assert score("wer", found, expected) == pytest.approx(2 / 5)
    assert score("cer", found, expected) == pytest.approx(5 / 16)
    assert score("exact", np.array(["A", "b"]), ["a", "b"]) == 0.5
    assert score("exact:ignore_case=yes", np.array(["A", "b"]), ["a", "b"]) == 1.0
    assert score("cer", np.array(["xy", "ab"]), ["", "ab"]) == pytest.approx(1.0)
    assert "empty" in refusal("cer", np.array(["x"]), [""])


def test_transcripts_are_compared_as_words_alone() -> None:
    found, expected = np.array(["Well, a  dog!", ""]), ["well a DOG.", "..."]
    assert score("wer:normalize=true", found, expected) == 0
    assert score("cer:normalize=true", found, expected) == 0
    assert score("exact:normalize=true", found, expected) == 1
    assert score("wer", found[:1], expected[:1]) == pytest.approx(2 / 3)


@pytest.fixture
def characters(tmp_path: Path) -> Path:
    """Return a file of the characters a, b, c."""
    path = tmp_path / "characters.txt"
    path.write_text("a\nb\nc\n")
    return path


def steps(*best: int, classes: int = 4) -> Any:
    """Return scores `[1, T, C]` whose best class per step is given."""
    return np.eye(classes)[list(best)][None]


def test_ctc_merges_repeats_and_drops_blanks(characters: Path) -> None:
    outputs = steps(0, 1, 1, 0, 1, 2, 2, 3, 0)
    for form in (outputs, [outputs], [outputs[0]], [outputs.transpose(1, 0, 2)]):
        assert score(f"exact:characters={characters}", form, ["aabc"]) == 1.0
    assert score(f"exact:characters={characters},blank=-1", steps(0, 0, 3, 0, 1, 2), ["aabc"]) == 1.0
    assert score(f"exact:characters={characters},space=true", steps(1, 4, 2, classes=5), ["a b"]) == 1.0


def test_ctc_refuses(characters: Path) -> None:
    with pytest.raises(UsageError, match="5 classes, and the characters file 3"):
        score(f"exact:characters={characters}", steps(1, classes=5), ["a"])
    with pytest.raises(UsageError, match="blank=9"):
        score(f"exact:characters={characters},blank=9", steps(1), ["a"])
    with pytest.raises(UsageError, match="cannot be read"):
        score("exact:characters=missing.txt", steps(1), ["a"])
    assert "NaN" in refusal(f"exact:characters={characters}", steps(1) * math.nan, ["a"])


def test_text_comes_from_a_function(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "def decode(out):\n    return ''.join(chr(97 + i) for i in out[0])\n"
        "def broken(out):\n    raise ValueError('odd shape')\n"
        "def number(out):\n    return 3\n"
    )
    outputs = np.array([[0, 1], [2, 2]])
    assert score(f"exact:decode={file}:decode", outputs, ["ab", "cd"]) == 0.5
    assert "'broken' failed: ValueError: odd shape" in refusal(f"cer:decode={file}:broken", outputs, ["ab", "cd"])
    assert "returned int" in refusal(f"cer:decode={file}:number", outputs, ["ab", "cd"])
    assert "decode=FILE.py:NAME" in refusal("cer", outputs, ["ab", "cd"])
    assert "text as targets" in refusal("cer", np.array(["a"]), [3])
    with pytest.raises(UsageError, match="exclude each other"):
        resolve_metric(f"cer:decode={file}:decode,characters=x")


def test_a_decode_function_gets_all_outputs_of_a_sample() -> None:
    from ovquant.plugins.metrics.text import Exact

    seen: list[Any] = []

    def decode(outputs: Any) -> str:
        seen.append({name: array.shape for name, array in outputs.items()})
        return "x"

    metric = Exact(decode=decode)
    assert metric.measure({"a": np.zeros((2, 3)), "b": np.zeros((2, 4, 5))}, ["x", "y"]) == [1.0, 0.0]
    assert seen == [{"a": (1, 3), "b": (1, 4, 5)}] * 2


def test_regression() -> None:
    found, truth = np.array([[1.0], [2.0], [4.0]]), [1.0, 3.0, 2.0]
    assert score("mae", found, truth) == pytest.approx(1.0)
    assert score("rmse", found, truth) == pytest.approx(math.sqrt(5 / 3))
    assert score("pearson", found, truth) == pytest.approx(1 / math.sqrt(4 * 7 / 3))
    assert score("spearman", found, truth) == pytest.approx(0.5)
    assert math.isnan(score("pearson", np.ones((3, 1)), truth))
    assert "at least two values" in refusal("pearson", np.ones((1, 1)), [1.0])
    assert "equally many" in refusal("mae", np.ones((3, 2)), truth)
    assert "numbers as targets" in refusal("mae", np.ones((1, 1)), ["a"])


def test_psnr() -> None:
    truth = np.zeros((1, 1, 8, 8), dtype=np.float32)
    assert score("psnr", truth + 0.1, list(truth)) == pytest.approx(20.0, abs=1e-4)
    assert score("psnr", truth, list(truth)) == 100.0
    assert score("psnr", truth + 25.5, [np.zeros((8, 8), dtype=np.uint8)]) == pytest.approx(20.0, abs=1e-4)
    assert score("psnr:data_range=10", truth + 1, list(truth + 0)) == pytest.approx(20.0, abs=1e-4)
    assert "data_range=" in refusal("psnr", truth, list(truth + 200))
    assert "one shape" in refusal("psnr", truth, [np.zeros((9, 8))])
    assert math.isnan(score("psnr", truth * math.nan, list(truth)))


def test_ssim() -> None:
    ramp = np.linspace(0, 1, 256).reshape(1, 1, 16, 16)
    assert score("ssim", ramp, list(ramp)) == pytest.approx(1.0)
    # Two constants a, b: only the luminance term is left, (2ab + c1) / (a² + b² + c1), with c1 = 0.01².
    flat = np.full((1, 1, 16, 16), 0.5)
    assert score("ssim", flat * 2, list(flat)) == pytest.approx((1 + 1e-4) / (1.25 + 1e-4))
    rgb = np.random.default_rng(0).random((1, 16, 16, 3))
    assert score("ssim:channels=last", rgb, list(rgb)) == pytest.approx(1.0)
    assert "channels=" in refusal("ssim", rgb.transpose(0, 3, 1, 2)[..., :5], [rgb[0].transpose(2, 0, 1)[..., :5]])


def texts_of(truths: list[list[float]], *, tokens: int = 1, left: bool = False) -> list[dict[str, Any]]:
    return [
        {"row": row, "place": place, "texts": 1 + len(truth), "truth": truth, "tokens": tokens, "left": left}
        for row, truth in enumerate(truths)
        for place in range(1 + len(truth))
    ]


def test_ndcg_and_recall_order_passages_by_their_cosine() -> None:
    # The query is along x; its passages are at 10, 40 and 20 degrees, of any length.
    degrees, lengths = np.deg2rad([0, 10, 40, 20]), np.array([1.0, 9.0, 2.0, 0.5])
    found = lengths[:, None] * np.stack([np.cos(degrees), np.sin(degrees)], axis=1)
    targets = texts_of([[0.0, 3.0, 1.0]])
    gained = 1 / math.log2(3) + 3 / 2
    assert score("ndcg", found, targets) == pytest.approx(gained / (3 + 1 / math.log2(3)))
    assert [score(f"recall:k={k}", found, targets) for k in (1, 2, 3)] == [0.0, 0.5, 1.0]
    # Texts come in any order, and rows count alike.
    order = [2, 0, 3, 1]
    assert score("recall:k=2", found[order], [targets[place] for place in order]) == 0.5
    both = np.concatenate([found, found[:1], found[:1]])
    assert score("recall:k=2", both, texts_of([[0.0, 3.0, 1.0], [1.0]])) == 0.75


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize(("pooling", "expected"), [("mean", [0.6, 0.8]), ("first", [1.0, 0.0]), ("last", [0.0, 1.0])])
def test_embeddings_of_tokens_are_pooled_without_padding(pooling: Any, expected: list[float], left: bool) -> None:
    own, filled = [[3.0, 0.0], [0.0, 4.0]], [[-9.0, 5.0]] * 2
    output = np.array([[*filled, *own] if left else [*own, *filled]])
    ((*_, found),) = embedded([output], texts_of([[1.0]], tokens=2, left=left)[:1], pooling, "", "ndcg")
    assert found.tolist() == pytest.approx(expected)


def test_similarity_ranks_the_cosines_of_pairs() -> None:
    angles = np.deg2rad([5, 80, 30])
    found = np.array([vector for angle in angles for vector in ([2.0, 0.0], [np.cos(angle), np.sin(angle)])])
    assert score("similarity", found, texts_of([[5.0], [0.0], [2.0]])) == pytest.approx(1.0)
    assert score("similarity", found, texts_of([[0.0], [5.0], [2.0]])) == pytest.approx(-1.0)


def test_what_is_no_embedding_is_refused() -> None:
    targets = texts_of([[1.0]], tokens=3)
    assert "scores rows of texts" in refusal("ndcg", np.zeros((1, 2)), [1])
    assert "[1, H], or [1, T, H] of 3 tokens" in refusal("ndcg", np.zeros((2, 2, 2)), targets)
    assert "of row 0 not all texts are among the samples" in refusal("recall", np.ones((1, 2)), targets[:1])
    assert "two pairs at least" in refusal("similarity", np.ones((2, 2)), targets)


def test_perplexity() -> None:
    even = np.zeros((1, 3, 4))
    assert score("perplexity", even, [np.array([0, 1, 2])]) == pytest.approx(4.0)
    logits = np.log(np.array([[[0.5, 0.5], [0.25, 0.75], [0.1, 0.9]]]))
    assert score("perplexity", logits, [np.array([0, 1, 0])]) == pytest.approx(1 / math.sqrt(0.5 * 0.25))
    assert score("perplexity:shift=false", logits, [np.array([0, 1, -100])]) == pytest.approx(1 / math.sqrt(0.5 * 0.75))
    assert "leave the vocabulary" in refusal("perplexity", logits, [np.array([0, 5, 0])])
    assert "no token" in refusal("perplexity", logits, [np.array([0, -100, -100])])
    assert "[1, T, V]" in refusal("perplexity", logits, [np.array([0, 1])])
    assert score("perplexity", even * 1.0 + [0, 0, 0, 2e4], [np.array([0, 1, 2])]) == math.inf


def test_fidelity() -> None:
    wanted = np.array([[0.5, 0.5], [0.9, 0.1]])
    found = np.array([[0.25, 0.75], [0.9, 0.1]])
    targets = [wanted[:1], wanted[1:]]
    divergence = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)
    assert score("fidelity:by=kl", found, targets) == pytest.approx(divergence / 2)
    logits = np.log(wanted) + 3
    assert score("fidelity:by=kl", np.log(found), [logits[:1], logits[1:]]) == pytest.approx(divergence / 2)
    assert score("fidelity", found, targets) == 0.5
    first = (0.125 + 0.375) / math.sqrt(0.5 * (0.0625 + 0.5625))
    assert score("fidelity:by=cosine", found, targets) == pytest.approx((first + 1) / 2)


def test_fidelity_averages_outputs() -> None:
    outputs = {"a": np.array([[1.0, 0.0]]), "b": np.array([[0.0, 1.0]])}
    target = {"a": np.array([[1.0, 0.0]]), "b": np.array([[1.0, 0.0]])}
    assert score("fidelity", outputs, [target]) == 0.5
    assert score("fidelity:output=a", outputs, [target]) == 1.0
    assert "different outputs" in refusal("fidelity", outputs, [{"a": target["a"]}])


def test_fidelity_edges() -> None:
    zeros = np.zeros((1, 3))
    assert score("fidelity:by=cosine", zeros, [zeros]) == 1.0
    assert score("fidelity:by=cosine", zeros, [zeros + 1]) == 0.0
    certain = np.array([[1.0, 0.0]])
    assert 20 < score("fidelity:by=kl", certain[:, ::-1], [certain]) < 30
    assert score("fidelity", np.array([[3, 4]]), [np.array([[3, 5]])]) == 0.5
    assert "by=cosine" in refusal("fidelity", np.zeros((1, 1)), [np.zeros((1, 1))])
    assert "cannot be compared" in refusal("fidelity", np.zeros((1, 4)), [np.zeros((1, 3))])
    assert resolve_metric("fidelity:by=cosine").higher_is_better
    assert not resolve_metric("fidelity:by=kl").higher_is_better
    assert resolve_metric("fidelity").against == "float"


def test_a_missing_library_names_the_extra() -> None:
    with pytest.raises(MetricError, match=r"pip install ovquant\[vision\]"):
        library("no_such_module", metric="ssim", extra="vision")
