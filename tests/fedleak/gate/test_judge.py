"""Rules are held against each group by itself; what was not measured keeps no rule."""

import math

import pytest

from fedleak.gate.measurement import MeasuredGroup
from fedleak.results.schema import AGGREGATE

ERROR = {"metric": "mse", "unit": "squared intensity", "higher_is_better": False}


def crashed(row):
    return "crashed"


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
    (finding,) = judged("psnr < no-access", [make_row(11.0, no_access=math.nan)]).broken
    assert math.isnan(finding.bound)
    assert "no-access" in finding.problem


def test_a_rule_that_finds_no_figure_fails(judged, make_row):
    nothing = judged("psnr < 18 where defense = 'x'", [make_row(1.0)])
    assert not nothing.passed
    assert nothing.problem
    assert not nothing.findings
    failed = judged("psnr < 18", [make_row(), make_row(client=1)])
    assert not failed.passed
    assert "2 x it raised" in failed.problem


def test_an_attack_that_does_not_apply_is_left_out_where_another_does(judged, make_row):
    verdict = judged("psnr < 18", [make_row(1.0), make_row(attack="bias-sign", applicable=False)])
    assert verdict.passed
    assert [finding.measurement.group.attack for finding in verdict.findings] == ["dlg"]


def test_a_defense_under_which_attacks_crashed_is_not_safe_for_it(judged, make_row):
    rows = [make_row(1.0), make_row(1.0, defense="noise", attack="idlg"), make_row(defense="noise")]
    assert judged("psnr < 18", rows).passed
    verdict = judged("psnr < 18", rows, crashed=crashed)
    (broken,) = verdict.broken
    assert "dlg crashed on 1 of 1 messages" in broken.problem
    assert len(verdict.findings) == 3


def test_one_crash_among_many_messages_breaks_every_rule_about_them(judged, make_row):
    rows = [*(make_row(1.0, client=client) for client in range(7)), *(make_row(client=client) for client in (7, 8, 9))]
    for rule in ("psnr < 18", "certified == 0"):
        (finding,) = judged(rule, rows, crashed=crashed).broken
        assert "crashed on 3 of 10" in finding.problem
    assert judged("failed <= 3", rows, crashed=crashed).passed


def test_a_crash_does_not_hide_what_leaked(judged, make_row):
    (finding,) = judged("psnr < 18", [make_row(40.0), make_row(client=1)], crashed=crashed).broken
    assert finding.measurement.value == 40
    assert "not < 18" in finding.problem
    assert "crashed on 1 of 2" in finding.problem


def test_a_message_without_a_figure_is_said_where_the_rule_is_kept(judged, make_row):
    verdict = judged("psnr < 18", [*(make_row(1.0, client=client) for client in range(7)), make_row(client=8)])
    assert verdict.passed
    (of_group,), (of_rule,) = verdict.findings[0].notes, verdict.notes
    assert "1 of 8" in of_group
    assert "1 of 1 group" in of_rule
    assert of_group in of_rule


def test_a_place_that_no_attack_has_a_figure_for_keeps_no_rule(judged, make_row):
    """Whether or not anything crashed: a rule that holds elsewhere says nothing of it."""
    rows = [make_row(1.0), make_row(defense="noise"), make_row(defense="noise", attack="idlg")]
    verdict = judged("psnr < 18", rows)
    assert [math.isnan(finding.measurement.value) for finding in verdict.broken] == [True] * 2
    assert all("1 x it raised" in finding.problem for finding in verdict.broken)
    seen = judged("psnr < 18", [*rows, make_row(2.0, defense="noise", attack="other")])
    assert seen.passed
    assert seen.notes[0].startswith("2 groups without a figure left out")


@pytest.mark.parametrize("change", [{"client": AGGREGATE}, {"setting": {"federation.batch_size": 4}}, {"task": "x"}])
def test_a_figure_of_one_place_does_not_stand_for_another(judged, make_row, change):
    verdict = judged("psnr < 18", [make_row(1.0, attack="idlg"), make_row(1.0, **change), make_row()])
    assert verdict.passed
    assert not judged("psnr < 18", [make_row(1.0, attack="idlg", **change), make_row()]).passed


@pytest.mark.parametrize("blind", ["prior", "no-access"])
def test_a_guess_without_the_update_has_not_seen_a_place(judged, make_row, blind):
    guess = make_row(9.0, algorithm=blind, attack="constant", defense="noise")
    verdict = judged("psnr < 18", [make_row(1.0), make_row(defense="noise"), guess])
    assert math.isnan(verdict.broken[0].measurement.value)
    assert "1 x it raised" in verdict.broken[0].problem


def test_a_guess_without_the_update_is_judged_only_where_it_is_named(judged, make_row):
    rows = [make_row(1.0), make_row(40.0, algorithm="prior", attack="prior")]
    assert judged("psnr < 18", rows).passed
    assert judged("psnr < 18 where attack != 'idlg'", rows).passed
    assert not judged("psnr < 18 where attack = 'prior'", rows).passed
    assert not judged("psnr < 18 where attack in ['dlg', 'prior'] and defense = 'none'", rows).passed
    assert "only prior" in judged("psnr < 18 unless attack = 'dlg'", rows).problem


def test_what_a_metric_cannot_judge_is_left_out_and_may_crash_elsewhere(judged, make_row):
    labels = [make_row(attack="bias-sign", applicable=False), make_row(attack="bias-sign", client=1)]
    verdict = judged("psnr < 18", [make_row(1.0), *labels], crashed=crashed)
    assert verdict.passed
    assert verdict.notes == ()


def test_a_count_of_proofs_says_where_there_could_be_none(judged, make_row):
    able = [make_row(1.0, client=client, certifiable=client < 2) for client in range(3)]
    unable = [make_row(1.0, client=client, defense="noise") for client in range(4)]
    assert judged("certified == 0", able).notes == ()
    verdict = judged("certified == 0", unable)
    assert verdict.passed
    (nowhere,), (in_one,) = verdict.notes, judged("certified == 0", [*able, *unable]).notes
    assert "0 of 4 messages" in nowhere
    assert "1 of 2 groups" in in_one
    assert judged("psnr < 18", unable).notes == ()


def test_an_interval_must_keep_the_rule_whole_where_it_decides(judged, make_row):
    rows = [make_row(value, client=client) for client, value in enumerate([15.0, 16.0, 17.0, 18.5])]
    assert judged("psnr < 17", rows).passed
    verdict = judged("psnr < 17", rows, decide_by="interval")
    assert not verdict.passed
    (finding,) = verdict.broken
    assert finding.measurement.value < finding.bound < finding.measurement.interval.high
    assert judged("psnr < 20", rows, decide_by="interval").passed


def test_the_end_that_leaks_more_decides_where_less_is_more_leakage(judged, make_row):
    rows = [make_row(value, client=client, **ERROR) for client, value in enumerate([0.1, 0.2, 0.3, 0.4])]
    assert judged("mse > .2", rows).passed
    assert not judged("mse > .2", rows, decide_by="interval").passed


def test_one_message_is_too_few_for_an_interval_to_decide(judged, make_row):
    verdict = judged("psnr < 18", [make_row(1.0)], decide_by="interval")
    (finding,) = verdict.broken
    assert math.isnan(finding.measurement.interval.low)
    assert "1 message" in finding.problem


def test_counts_and_extremes_decide_by_themselves(judged, make_row):
    for rule in ("certified == 0", "failed == 0", "psnr.worst < 18", "psnr.max < 18"):
        verdict = judged(rule, [make_row(1.0)], decide_by="interval")
        assert verdict.passed
        (note,) = verdict.findings[0].notes
        assert rule.split()[0] in note
        assert verdict.findings[0].alone
        assert not judged(rule, [make_row(1.0)]).findings[0].notes


def test_a_rule_for_what_was_measured_is_left_out_where_nobody_could(judged, make_row):
    nobody = [[], [make_row(1.0, **ERROR)], [make_row(applicable=False)]]
    for rows in nobody:
        verdict = judged("psnr < 18", rows, if_measured=True)
        assert verdict.passed
        assert not verdict.findings
        assert verdict.notes == ("left out: no attack of this run has this figure",)
        assert not judged("psnr < 18", rows).passed


def test_a_rule_for_what_was_measured_is_judged_where_somebody_tried(judged, make_row):
    assert not judged("psnr < 18", [make_row(20.0)], if_measured=True).passed
    assert judged("psnr < 18", [make_row(2.0)], if_measured=True).findings
    assert not judged("psnr < 18", [make_row()], if_measured=True).passed  # it raised, which is no safety
    assert not judged("psnr < 18", [make_row()], if_measured=True, crashed=crashed).passed


def test_where_masked_messages_alone_are_missing_the_rule_is_told_how_to_ask_of_sums(judged, make_row):
    rows = [make_row(10.0, client=AGGREGATE, defense="sum"), make_row(defense="sum", client=1)]
    masked = {MeasuredGroup(task="digits-mlp", setting=(), defense="sum")}
    hint = 'to judge what the server opens, select sums: where sender = "aggregate"'
    for rule in ("psnr < 18", "psnr < 18 where defense = 'sum'"):
        assert [note for note in judged(rule, rows, masked=masked).notes if note.endswith(hint)]
    assert judged('psnr < 18 where sender = "aggregate"', rows, masked=masked).passed
    for other in ([*rows, make_row(defense="other")], rows[1:], [*rows, make_row(1.0, defense="sum", attack="idlg")]):
        assert not any(hint in one for one in judged("psnr < 18", other, masked=masked).notes)
    assert not any(hint in one for one in judged("psnr < 18", rows).notes)
    assert not any(hint in one for one in judged("psnr < 18 where sender = 'client'", rows, masked=masked).notes)
