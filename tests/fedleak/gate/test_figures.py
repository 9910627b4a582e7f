"""The samples of a group, and the seeds of a federation, become the figure that they should."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from fedleak.accounting.guarantee import Guarantee, Unproven
from fedleak.accounting.mechanism import Mechanism
from fedleak.analysis.conditions import Condition
from fedleak.results.federation_row import FederationRow

ERROR = {"metric": "mse", "unit": "squared intensity", "higher_is_better": False}
SAMPLES = (12.0, 30.0, 18.0, 25.0, 14.5)


def federation(accuracy, **changed):
    facts = {"task": "digits-mlp", "setting": {}, "federation": "", "split": "test", "defense": "none", "seed": 0}
    facts |= {"round": 1, "messages": 4, "failures": 0, "accuracy": accuracy, "loss": 1.5, "seconds": 0.1}
    return FederationRow(**{**facts, **changed})


def value_of(verdict):
    (finding,) = verdict.findings
    return finding.measurement.value


@pytest.mark.parametrize(
    ("figure", "value"),
    [
        ("psnr", 19.9),
        ("psnr.median", 18.0),
        ("psnr.min", 12.0),
        ("psnr.max", 30.0),
        ("psnr.worst", 30.0),
        ("psnr.p95", np.percentile(SAMPLES, 95)),
        ("psnr.p0", 12.0),
        ("psnr.share", 0.4),
        ("psnr.share(18)", 0.6),
    ],
)
def test_each_aggregate_says_what_its_name_says(judged, make_row, figure, value):
    assert value_of(judged(f"{figure} < 1e9", [make_row(*SAMPLES)])) == pytest.approx(value)


def test_where_less_is_more_leakage_the_worst_is_the_least(judged, make_row):
    rows = [make_row(0.5, 0.02, 0.3, **ERROR)]
    assert value_of(judged("mse.worst > 0", rows)) == 0.02
    assert value_of(judged("mse.share(0.3) > 0", rows)) == pytest.approx(2 / 3)
    assert judged("mse.min > .01", rows).passed
    assert not judged("mse.min > .05", rows).passed


def test_a_share_has_the_interval_of_clopper_and_pearson(judged, make_row):
    rows = [make_row(value, client=client) for client, value in enumerate(SAMPLES)]
    (finding,) = judged("psnr.share(18) < 1", rows).findings
    exact = binomtest(3, 5).proportion_ci(method="exact")
    assert finding.measurement.interval.low == pytest.approx(exact.low)
    assert finding.measurement.interval.high == pytest.approx(exact.high)


def test_accuracy_is_the_mean_over_seeds_of_the_last_round(judged, make_row):
    rows = [federation(0.1), federation(0.8, round=2), federation(0.9, seed=1)]
    rows += [federation(0.0, split="tuning", seed=2), federation(0.5, defense="noise")]
    verdict = judged("accuracy >= .8 unless defense = 'noise'", [make_row(1.0)], rows)
    assert value_of(verdict) == pytest.approx(0.85)
    assert verdict.passed
    assert not judged("accuracy >= .8", [make_row(1.0)], rows).passed
    assert value_of(judged("loss < 2 where defense = 'none'", [make_row(1.0)], rows)) == 1.5


def test_a_model_that_was_never_evaluated_keeps_no_accuracy(judged, make_row):
    verdict = judged("accuracy >= .8", [], [federation(math.nan)], evaluated=lambda row: False)
    assert not verdict.passed
    assert "no round was evaluated; set federation.fraction_evaluate" in verdict.problem


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_no_earlier_round_or_other_seed_stands_in_for_a_last_round_without_a_figure(judged, loss):
    rows = [federation(0.9), federation(math.nan, round=2, loss=loss, failures=2), federation(0.9, seed=1, round=2)]
    for rule in ("accuracy >= .8", "loss < 2"):
        (finding,) = judged(rule, [], rows).broken
        assert "in 1 of 2 seeds, first: seed 0, round 2, where 2 clients sent nothing" in finding.problem
    assert not judged("accuracy >= .8", [], [*rows, federation(0.9, defense="noise")]).passed


def test_a_setting_that_was_not_evaluated_is_not_hidden_by_one_that_was(judged):
    rows = [federation(0.9), federation(math.nan, setting={"federation.fraction_evaluate": 0.0})]
    verdict = judged("accuracy >= .8", [], rows, evaluated=lambda row: not row.setting)
    assert "set federation.fraction_evaluate" in verdict.broken[0].problem
    assert judged("accuracy >= .8 unless fraction_evaluate = 0", [], rows, evaluated=lambda row: not row.setting).passed


def test_an_accuracy_is_as_sure_as_its_seeds_agree(judged, make_row):
    rows = [federation(0.8, seed=1), federation(0.9, seed=2)]
    (finding,) = judged("accuracy >= .8", [make_row(1.0)], rows).findings
    assert finding.measurement.interval.method.startswith("Student's t over 2 seeds, ")
    assert not judged("accuracy >= .8", [make_row(1.0)], rows, decide_by="interval").passed


def test_epsilon_is_what_is_proved_of_the_whole_run_and_nothing_keeps_no_bound(judged):
    place = Condition(task="digits-mlp")
    noise = Mechanism(noise=2.0, contribution=1.0, protects="client")
    proved = Guarantee(mechanism=noise, rounds=4, defense="noise")
    proofs = {(place, "noise"): proved, (place, "tried"): Unproven("its noise is for a mean")}
    rows = [federation(0.9, defense=name, seed=seed) for name in ("noise", "tried", "none") for seed in (0, 1)]
    limit = proved.epsilon(1e-5)
    assert judged(f"epsilon <= {limit + 1e-6} where defense = 'noise'", [], rows, proofs=proofs).passed
    assert not judged(f"epsilon <= {limit - 1e-6} where defense = 'noise'", [], rows, proofs=proofs).passed
    verdict = judged("epsilon <= 1e300", [], rows, proofs=proofs)
    assert {one.measurement.group.defense: one.problem.partition("; ")[2] for one in verdict.broken} == {
        "tried": "nothing is proved: its noise is for a mean",
        "none": "nothing is proved: there is no defense",
    }
    (kept,) = (one for one in verdict.findings if one.passed)
    assert (kept.measurement.seeds, kept.measurement.unit) == (2, f"at delta 1e-05, {proved.terms(1e-5)}")
