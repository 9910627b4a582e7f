"""Rules are held against each group by itself; what was not measured keeps no rule."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from fedleak.campaign.federation_row import FederationRow
from fedleak.results import AGGREGATE

RECALL = {"metric": "label-recall", "unit": "share of labels"}
ERROR = {"metric": "mse", "unit": "squared intensity", "higher_is_better": False}


def federation(accuracy, **changed):
    facts = {"task": "digits-mlp", "setting": {}, "federation": "", "split": "test", "defense": "none", "seed": 0}
    facts |= {"round": 1, "messages": 4, "failures": 0, "accuracy": accuracy, "loss": 1.5, "seconds": 0.1}
    return FederationRow(**{**facts, **changed})


def crashed(row):
    return "crashed"


def value_of(verdict):
    (finding,) = verdict.findings
    return finding.measurement.value


SAMPLES = (12.0, 30.0, 18.0, 25.0, 14.5)


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


def test_groups_are_never_pooled(judged, make_row):
    """One setting leaks everything; the mean over all would be 17 and keep the rule."""
    quiet = [make_row(15.0, setting={"federation.batch_size": n}) for n in range(2, 20)]
    loud = make_row(60.0, setting={"federation.batch_size": 1})
    verdict = judged("psnr < 18", [*quiet, loud])
    (broken,) = verdict.broken
    assert broken.measurement.group.setting == (("federation.batch_size", 1),)
    assert len(verdict.findings) == 19
    assert verdict.findings[0] is broken


@pytest.mark.parametrize("change", [{"task": "other"}, {"defense": "x"}, {"attack": "x"}, {"client": AGGREGATE}])
def test_whatever_differs_but_seed_round_and_client_makes_a_group(judged, make_row, change):
    assert len(judged("psnr < 99", [make_row(1.0), make_row(2.0, **change)]).findings) == 2


@pytest.mark.parametrize("change", [{"seed": 1}, {"round": 2}, {"client": 1}])
def test_seeds_rounds_and_clients_are_one_group(judged, make_row, change):
    assert value_of(judged("psnr < 99", [make_row(1.0), make_row(2.0, **change)])) == 1.5


def test_a_rule_is_about_the_groups_that_it_selects(judged, make_row):
    rows = [make_row(50.0), make_row(10.0, defense="noise"), make_row(90.0, defense="noise", attack="dlg steps=9")]
    assert not judged("psnr < 18", rows).passed
    assert judged("psnr < 18 where defense = 'noise' and attack = 'dlg' and attack != 'dlg steps=9'", rows).passed
    assert judged("psnr < 18 unless defense = 'none' or attack = 'dlg steps=9'", rows).passed
    assert len(judged("psnr < 18 where attack = 'dlg'", rows).findings) == 3


def test_a_bound_is_worked_out_for_each_group(judged, make_row):
    rows = [make_row(11.0, baseline=10.5), make_row(11.0, baseline=9.0, defense="noise")]
    verdict = judged("psnr < prior + 1", rows)
    assert {finding.bound: finding.passed for finding in verdict.findings} == {11.5: True, 10.0: False}


def test_a_baseline_that_is_not_there_keeps_no_rule(judged, make_row):
    (finding,) = judged("psnr < no-gradient", [make_row(11.0, no_gradient=math.nan)]).broken
    assert finding.problem == "there is no no-gradient to compare with"


def test_a_rule_that_finds_no_figure_fails(judged, make_row):
    nothing = judged("psnr < 18 where defense = 'x'", [make_row(1.0)])
    assert not nothing.passed
    assert nothing.problem == "nothing was measured for it: it selects no group of this run"
    failed = judged("psnr < 18", [make_row(), make_row(client=1)])
    assert not failed.passed
    assert failed.problem == "nothing was measured for it: the only group has no figure (2 x it raised)"


def test_an_attack_that_does_not_apply_is_left_out_where_another_does(judged, make_row):
    verdict = judged("psnr < 18", [make_row(1.0), make_row(attack="bias-sign", applicable=False)])
    assert verdict.passed
    assert [finding.measurement.group.attack for finding in verdict.findings] == ["dlg"]


def test_a_defense_under_which_attacks_crashed_is_not_safe_for_it(judged, make_row):
    rows = [make_row(1.0), make_row(1.0, defense="noise", attack="idlg"), make_row(defense="noise")]
    assert judged("psnr < 18", rows).passed
    verdict = judged("psnr < 18", rows, crashed=crashed)
    assert [finding.problem for finding in verdict.broken] == ["dlg crashed on 1 of 1 messages, first: it raised"]
    assert len(verdict.findings) == 3


def test_one_crash_among_many_messages_breaks_every_rule_about_them(judged, make_row):
    rows = [*(make_row(1.0, client=client) for client in range(7)), *(make_row(client=client) for client in (7, 8, 9))]
    for rule in ("psnr < 18", "certified == 0"):
        (finding,) = judged(rule, rows, crashed=crashed).broken
        assert finding.problem == "dlg crashed on 3 of 10 messages, first: it raised"
    assert judged("failed <= 3", rows, crashed=crashed).passed


def test_a_crash_does_not_hide_what_leaked(judged, make_row):
    (finding,) = judged("psnr < 18", [make_row(40.0), make_row(client=1)], crashed=crashed).broken
    assert finding.problem == "it is not < 18; dlg crashed on 1 of 2 messages, first: it raised"


def test_a_message_without_a_figure_is_said_where_the_rule_is_kept(judged, make_row):
    verdict = judged("psnr < 18", [*(make_row(1.0, client=client) for client in range(7)), make_row(client=8)])
    assert verdict.passed
    assert verdict.findings[0].notes == ("1 of 8 messages have no figure",)
    assert verdict.notes == (
        "figures are missing in 1 of 1 group, first dlg on single updates under 'none' (digits-mlp): "
        "1 of 8 messages have no figure",
    )


def test_a_place_that_no_attack_has_a_figure_for_keeps_no_rule(judged, make_row):
    """Whether or not anything crashed: a rule that holds elsewhere says nothing of it."""
    rows = [make_row(1.0), make_row(defense="noise"), make_row(defense="noise", attack="idlg")]
    verdict = judged("psnr < 18", rows)
    assert [finding.problem for finding in verdict.broken] == ["nothing was measured here: 1 x it raised"] * 2
    seen = judged("psnr < 18", [*rows, make_row(2.0, defense="noise", attack="other")])
    assert seen.passed
    assert seen.notes[0].startswith("2 groups without a figure left out, for another attack on the same messages has")


@pytest.mark.parametrize("change", [{"client": AGGREGATE}, {"setting": {"federation.batch_size": 4}}, {"task": "x"}])
def test_a_figure_of_one_place_does_not_stand_for_another(judged, make_row, change):
    verdict = judged("psnr < 18", [make_row(1.0, attack="idlg"), make_row(1.0, **change), make_row()])
    assert verdict.passed
    assert not judged("psnr < 18", [make_row(1.0, attack="idlg", **change), make_row()]).passed


@pytest.mark.parametrize("blind", ["prior", "no-gradient"])
def test_a_guess_without_the_update_has_not_seen_a_place(judged, make_row, blind):
    guess = make_row(9.0, algorithm=blind, attack="constant", defense="noise")
    verdict = judged("psnr < 18", [make_row(1.0), make_row(defense="noise"), guess])
    assert verdict.broken[0].problem == "nothing was measured here: 1 x it raised"


def test_a_guess_without_the_update_is_judged_only_where_it_is_named(judged, make_row):
    rows = [make_row(1.0), make_row(40.0, algorithm="prior", attack="prior")]
    assert judged("psnr < 18", rows).passed
    assert judged("psnr < 18 where attack != 'idlg'", rows).passed
    assert not judged("psnr < 18 where attack = 'prior'", rows).passed
    assert not judged("psnr < 18 where attack in ['dlg', 'prior'] and defense = 'none'", rows).passed
    assert "it selects only prior, which never look" in judged("psnr < 18 unless attack = 'dlg'", rows).problem


def test_what_a_metric_cannot_judge_is_left_out_and_may_crash_elsewhere(judged, make_row):
    labels = [make_row(attack="bias-sign", applicable=False), make_row(attack="bias-sign", client=1)]
    verdict = judged("psnr < 18", [make_row(1.0), *labels], crashed=crashed)
    assert verdict.passed
    assert verdict.notes == ()


def test_tuning_rows_decide_nothing(judged, make_row):
    assert judged("psnr < 18", [make_row(1.0), make_row(90.0, split="tuning", seed=9)]).passed


def test_certified_counts_messages_not_metrics(judged, make_row):
    rows = [make_row(1.0, certified=True), make_row(0.1, certified=True, **RECALL), make_row(1.0, client=1)]
    assert value_of(judged("certified == 0", rows)) == 1
    assert not judged("certified == 0", rows).passed
    assert judged("certified <= 1", rows).passed


def test_an_attack_that_gave_up_proved_nothing_but_one_that_crashed_did_not_try(judged, make_row):
    rows = [make_row(), make_row(**RECALL)]
    assert judged("certified == 0", rows).passed
    assert not judged("certified == 0", rows, crashed=crashed).passed


def test_a_count_of_proofs_says_where_there_could_be_none(judged, make_row):
    able = [make_row(1.0, client=client, certifiable=client < 2) for client in range(3)]
    unable = [make_row(1.0, client=client, defense="noise") for client in range(4)]
    assert judged("certified == 0", able).notes == ()
    verdict = judged("certified == 0", unable)
    assert verdict.passed
    assert verdict.notes == (
        "no attack here had a test that can prove a guess (0 of 4 messages), so this rule shows nothing",
    )
    assert judged("certified == 0", [*able, *unable]).notes == (
        "in 1 of 2 groups no attack had a test that can prove a guess, so this rule shows nothing there",
    )
    assert judged("psnr < 18", unable).notes == ()


def test_failed_counts_messages_that_no_metric_has_a_figure_for(judged, make_row):
    half = [make_row(), make_row(0.1, **RECALL)]
    assert judged("failed == 0", half).passed
    verdict = judged("failed == 0", [*half, make_row(client=1), make_row(client=1, **RECALL)])
    assert value_of(verdict) == 1
    assert not verdict.passed


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


def test_a_share_has_the_interval_of_clopper_and_pearson(judged, make_row):
    rows = [make_row(value, client=client) for client, value in enumerate(SAMPLES)]
    (finding,) = judged("psnr.share(18) < 1", rows).findings
    exact = binomtest(3, 5).proportion_ci(method="exact")
    assert finding.measurement.interval.low == pytest.approx(exact.low)
    assert finding.measurement.interval.high == pytest.approx(exact.high)


def test_an_interval_must_keep_the_rule_whole_where_it_decides(judged, make_row):
    rows = [make_row(value, client=client) for client, value in enumerate([15.0, 16.0, 17.0, 18.5])]
    assert judged("psnr < 17", rows).passed
    verdict = judged("psnr < 17", rows, decide_by="interval")
    assert not verdict.passed
    assert verdict.broken[0].problem == "it is < 17, but its interval is not"
    assert judged("psnr < 20", rows, decide_by="interval").passed


def test_the_end_that_leaks_more_decides_where_less_is_more_leakage(judged, make_row):
    rows = [make_row(value, client=client, **ERROR) for client, value in enumerate([0.1, 0.2, 0.3, 0.4])]
    assert judged("mse > .2", rows).passed
    assert not judged("mse > .2", rows, decide_by="interval").passed


def test_one_message_is_too_few_for_an_interval_to_decide(judged, make_row):
    verdict = judged("psnr < 18", [make_row(1.0)], decide_by="interval")
    assert "no interval to decide by (too few: 1 message)" in verdict.broken[0].problem


def test_counts_and_extremes_decide_by_themselves(judged, make_row):
    for rule in ("certified == 0", "failed == 0", "psnr.worst < 18", "psnr.max < 18"):
        verdict = judged(rule, [make_row(1.0)], decide_by="interval")
        assert verdict.passed
        name = rule.split()[0]
        assert verdict.findings[0].notes == (f"the figure alone decided: {name} has no interval",)
        assert verdict.findings[0].alone
        assert not judged(rule, [make_row(1.0)]).findings[0].notes


def test_an_accuracy_is_as_sure_as_its_seeds_agree(judged, make_row):
    rows = [federation(0.8, seed=1), federation(0.9, seed=2)]
    (finding,) = judged("accuracy >= .8", [make_row(1.0)], rows).findings
    assert finding.measurement.interval.method == "Student's t over 2 seeds"
    assert not judged("accuracy >= .8", [make_row(1.0)], rows, decide_by="interval").passed
