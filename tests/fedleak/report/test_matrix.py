"""The matrix has every figure beside what it must be read with, and says what it leaves out."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedleak.analysis.judgement import BASELINES, Judgement, judge
from fedleak.report import matrix
from fedleak.report.matrix import SHADES, facts, panels, shade

FIGURES = st.floats(-50, 100)


def only(summaries):
    (panel,), left_out = panels(summaries, {})
    assert left_out == []
    return panel.matrices


def test_a_cell_has_counts_mean_interval_both_guesses_worst_case_and_proof(make_summary):
    (table,) = only([make_summary(30.0, 18.0, certifiable=2, certified=1)])
    (cell,) = table.lines[0].cells
    assert cell.count == "1 of 2"
    assert dict(cell.facts) == {
        "mean": "24.0 dB", "95%": "23.0 to 25.0", "prior": "12.0", "no access": "9.00", "worst case": "30.0",
        "proof": "proved 1 of 2",
    }  # fmt: skip


@pytest.mark.parametrize(("certifiable", "words"), [(0, "none possible here"), (2, "none: a guess")])
def test_what_could_not_be_proved_is_not_called_unproved(make_summary, certifiable, words):
    (table,) = only([make_summary(30.0, 18.0, certifiable=certifiable)])
    assert dict(table.lines[0].cells[0].facts)["proof"] == words


def test_an_image_that_guessing_comes_near_is_in_the_share_and_not_in_the_count(make_summary):
    (table,) = only([make_summary(30.0, 22.0, prior=21.0)])
    (cell,) = table.lines[0].cells
    assert (cell.count, dict(cell.facts)["≥ 20.0 dB"]) == ("1 of 2", "2 of 2")


def test_a_blind_guess_is_shown_with_its_mean_and_no_color(make_summary):
    (table,) = only([make_summary(30.0), make_summary(25.0, attack="no-access")])
    _, blind = table.lines[0].cells
    assert (blind.judgement.value, blind.count, blind.shade) == ("a blind guess", "25.0 dB", None)


def test_too_few_is_said_in_place_of_the_interval(make_summary):
    (table,) = only([make_summary(30.0, half=math.nan)])
    assert dict(table.lines[0].cells[0].facts)["95%"] == "by hand"


def test_an_attack_without_a_figure_anywhere_is_named_with_its_reason(make_summary):
    (table,) = only([make_summary(30.0), make_summary(attack="bias-sign", failures={"guesses no images": 4})])
    assert table.attacks == ("dlg",)
    assert table.absent == ("bias-sign: guesses no images",)


def test_sums_have_a_line_of_their_own(make_summary):
    (table,) = only([make_summary(30.0, defense="masked"), make_summary(9.0, defense="masked", sender="aggregate")])
    assert [line.title for line in table.lines] == ["masked", "masked (sum)"]


def test_more_leakage_is_further_right_whatever_the_metric(make_summary):
    for metric, leaky, tight in (("psnr", 40.0, 10.0), ("mse", 0.001, 0.2)):
        (table,) = only([make_summary(leaky, metric=metric), make_summary(tight, metric=metric, defense="noisy")])
        leaks, keeps = (line.cells[0].strip for line in table.lines)
        assert leaks.mean > keeps.mean


def test_conditions_that_do_not_fit_are_left_out_and_named(make_summary, monkeypatch):
    monkeypatch.setattr(matrix, "CELLS", 2)
    every = [make_summary(30.0, setting=(("federation.batch_size", size),)) for size in (1, 2, 4)]
    shown, left_out = panels(every, {})
    assert [panel.title for panel in shown] == ["digits-mlp, batch_size=1", "digits-mlp, batch_size=2"]
    assert left_out == ["digits-mlp, batch_size=4"]


@pytest.mark.parametrize("count", [1, 5])
def test_only_the_first_conditions_are_unfolded(make_summary, count):
    shown, _ = panels([make_summary(30.0, setting=(("vary", str(i)),)) for i in range(count)], {})
    assert [panel.open for panel in shown] == [i < matrix.OPEN for i in range(count)]


@given(samples=st.lists(FIGURES, min_size=1, max_size=5), half=st.floats(0, 30), prior=FIGURES)
def test_the_two_darkest_colors_are_those_of_what_leaked(make_summary, samples, half, prior):
    one = make_summary(*samples, half=half, prior=prior, no_access=-50.0)
    assert (shade(one) >= 3) == (judge(one) is Judgement.LEAKED)


def test_where_lower_is_more_leakage_the_darkest_is_the_lowest(make_summary):
    leaked = make_summary(0.001, 0.002, half=0.001, prior=0.1, no_access=0.2, metric="mse")
    assert shade(leaked) == SHADES - 1


def test_what_nothing_can_be_said_of_has_no_color(make_summary):
    assert shade(make_summary()) is None
    assert [shade(make_summary(99.0, attack=attack)) for attack in BASELINES] == [None, None, None]


def test_oracles_are_named_as_such_and_labels_have_none(make_summary):
    told = dict(facts(make_summary(30.0, class_mean=14.0, single_color=22.5, nearest_public=21.6)))
    assert (told["class mean"], told["oracle: color"], told["oracle: public"]) == ("14.0", "22.5", "21.6")
    assert not {"class mean", "oracle: color"} & set(dict(facts(make_summary(1.0, metric="label-recall"))))


def chosen(make_summary, defense, attack):
    return make_summary(30.0, defense=defense, attack=attack, tuned=True)


def test_variants_that_tuning_chose_under_one_defense_each_are_one_column_and_named_in_the_cell(make_summary):
    every = [chosen(make_summary, "none", "dlg"), chosen(make_summary, "noisy", "dlg steps=9")]
    table = only([*every, make_summary(20.0, attack="lti"), make_summary(20.0, defense="noisy", attack="lti")])[0]
    assert table.attacks == ("dlg", "lti")
    assert [[cell.variant for cell in line.cells] for line in table.lines] == [["", ""], ["dlg steps=9", ""]]


def test_variants_that_ran_side_by_side_have_a_column_each(make_summary):
    every = [chosen(make_summary, "none", "dlg"), make_summary(20.0, attack="dlg steps=9")]
    (table,) = only([*every, chosen(make_summary, "noisy", "dlg steps=9")])
    assert table.attacks == ("dlg", "dlg steps=9")
    assert [cell and cell.variant for cell in table.lines[1].cells] == [None, ""]


def test_no_column_has_the_title_of_another_attack(make_summary):
    every = [chosen(make_summary, "none", "dlg a"), chosen(make_summary, "noisy", "dlg b")]
    (table,) = only([*every, make_summary(20.0, attack="dlg", algorithm="idlg")])
    assert table.attacks == ("dlg a", "dlg b", "dlg")
