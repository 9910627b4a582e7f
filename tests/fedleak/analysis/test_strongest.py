"""Which figure stands for leakage."""

from fedleak.analysis.strongest import attackers, eligible, headline, strongest


def test_the_headline_is_the_first_metric_with_a_figure(make_summary):
    summaries = [make_summary(metric="psnr"), make_summary(0.1, metric="mse"), make_summary(1.0, metric="label-recall")]
    assert (headline(summaries, "inputs"), headline(summaries, "labels")) == ("mse", "label-recall")
    assert headline(summaries[:1], "inputs") is None


def test_only_the_variants_that_tuning_chose_are_eligible(make_summary):
    chosen, lucky = make_summary(1.0, attack="dlg", tuned=True), make_summary(9.0, attack="dlg steps=9")
    other = make_summary(2.0, attack="idlg")
    assert eligible([chosen, lucky, other]) == [chosen, other]


def test_the_strongest_is_the_one_that_is_beyond_guessing_not_the_highest(make_summary):
    sure, wild = make_summary(15.0), make_summary(19.0, half=30.0, attack="wild")
    assert strongest([wild, sure]) == sure
    assert strongest([]) is None


def test_one_rebuilt_image_is_stronger_than_any_mean(make_summary):
    one, many = make_summary(8.0, 8.0, 8.0, 45.0, half=9.0, attack="one"), make_summary(19.0, 19.0, attack="many")
    assert strongest([many, one]) == one


def test_a_clean_bill_is_the_worst_of_all_variants(make_summary):
    chosen, other = make_summary(11.0, attack="dlg", tuned=True), make_summary(14.3, half=9.0, attack="dlg steps=9")
    assert strongest([chosen, other]) == other


def test_where_both_found_something_the_chosen_variant_speaks(make_summary):
    chosen, other = make_summary(15.0, attack="dlg", tuned=True), make_summary(17.0, attack="dlg steps=9")
    assert strongest([other, chosen]) == chosen


def test_what_ignores_the_update_is_no_attacker(make_summary):
    blind = [make_summary(40.0, attack=name) for name in ("prior", "no-access")]
    weak = make_summary(5.0)
    assert strongest([*blind, weak]) == weak
    assert attackers(blind) == []
    assert strongest(blind) is None


def test_of_two_metrics_the_worse_counts_and_of_equals_the_first(make_summary):
    structure, error = make_summary(0.1, metric="ssim", prior=0.2, no_access=0.2), make_summary(30.0)
    assert strongest([structure, error]) == error
    high = make_summary(0.9, half=0.1, metric="ssim", prior=0.2, no_access=0.2)
    assert strongest([high, error]) == high
