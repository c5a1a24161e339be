"""The end of the output: what was returned, how sure that is, and what to type next."""

from dataclasses import replace

import pytest

from ovquant.cli.conclusion import conclusion, next_step, sure
from ovquant.cli.show_result import not_scored, show_result
from ovquant.domain.budget import Budget, Drop
from ovquant.domain.trial import Scores, Trial
from tests.plugins.reports.conftest import RESULTS, changed, float_result, result_of, score, timing, trial


@pytest.mark.parametrize("name", [name for name, make in RESULTS.items() if "device" in make().provenance.device])
def test_every_result_has_its_three_lines(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    made = RESULTS[name]()
    assert all(conclusion(made).values())
    show_result(made, as_json=False, quiet=True)
    quiet = capsys.readouterr().out.splitlines()
    assert [line[:8].strip() for line in quiet if not line.startswith(" ")] == ["returned", "how sure", "next"]
    show_result(made, as_json=False)
    assert capsys.readouterr().out.splitlines()[-len(quiet) :] == quiet


def test_what_was_returned() -> None:
    assert conclusion(result_of())["returned"].startswith("met: ")
    assert "1.56× (1.52 to 1.61) the speed of float, 3.5 MB of 10.9 MB" in conclusion(result_of())["returned"]
    assert conclusion(float_result())["returned"] == "float: float, 10.9 MB"


def test_an_open_interval_names_the_samples_that_would_decide() -> None:
    made = result_of()
    assert sure(made) == (
        "drop 0.006 of 0.0085 in exact, on 3,000 held-out samples; not sure, its 95 % interval is 0.002 to 0.01"
    )
    assert made.trial.holdout is not None
    told = Scores((replace(made.trial.holdout.main, needed=9000),))
    assert sure(replace(made, trial=replace(made.trial, holdout=told))).endswith("; about 9,000 samples would decide")
    closed = replace(made.trial, holdout=score("holdout", 0.001))
    assert sure(replace(made, trial=closed)).endswith("; --confidence 0.95 gives a guarantee")


def test_a_proof_is_told_as_what_it_is() -> None:
    made = result_of(budget=Budget(Drop.parse("1%"), confidence=0.95))
    main = score("holdout", 0.001).main
    for method, p_value, told in (("exact", 0.01, "certified"), ("t", 0.01, "held, approximately,"), ("t", 0.2, "not")):
        scores = Scores((replace(main, level=0.05, p_value=p_value, method=method),))
        assert sure(replace(made, trial=replace(made.trial, holdout=scores))).startswith(told)


def test_float_for_a_tiny_net_leads_to_batches() -> None:
    made = float_result()
    assert "ovquant plan --profile out/profile.jsonl" in next_step(made)
    quick = replace(made, baseline=replace(made.baseline, timing=replace(timing(1.0), p50_ms=0.1)))
    assert "--batch 16 or --optimize throughput: float takes 0.1 ms" in next_step(quick)
    assert "--batch" not in next_step(changed(quick, batch=8))


def test_a_candidate_leads_to_more_samples() -> None:
    candidate = trial("mixed", drop=0.004, ratio=0.6)
    made = replace(float_result("inconclusive"), candidate=candidate)
    assert "--holdout of more samples" in next_step(made)
    needed = Scores((replace(score("holdout", 0.006).main, needed=12000),))
    assert "about 12,000 samples" in next_step(replace(made, candidate=replace(candidate, holdout=needed)))


def test_trials_that_were_not_scored_are_counted() -> None:
    plan = result_of().plan
    problems = ("not calibrated: slower", "not calibrated: the same", "not scored: cheaper", "no such layer")
    trials = [Trial(plan, problem=problem) for problem in problems]
    trials[2] = replace(trials[2], timing=timing(0.9))
    assert not_scored(trials) == ["Tried besides: 2 not calibrated, 1 not scored, 1 not possible. The report says why."]
    assert not_scored([result_of().trial]) == []
