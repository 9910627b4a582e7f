"""Charts of the frontier."""

import math

from fedleak.report.frontier import frontiers


def test_blind_guesses_have_no_mark_and_variants_all_count(make_result, make_summary):
    blind = make_summary(40.0, attack="no-access")
    chosen, other = make_summary(11.0, attack="dlg", tuned=True), make_summary(14.3, half=9.0, attack="dlg steps=9")
    (chart,) = frontiers([make_result("none", blind, chosen, other, accuracy=0.8)])
    assert "psnr 14.3 dB by dlg steps=9" in chart.marks[0].description


def test_a_model_that_was_not_evaluated_has_no_frontier(make_result, make_summary):
    assert frontiers([make_result("none", make_summary(30.0), accuracy=math.nan)]) == []


def test_more_leakage_is_higher_up_whatever_the_metric(make_result, make_summary):
    for metric, leaky, tight in (("psnr", 40.0, 10.0), ("mse", 0.001, 0.2)):
        both = [
            make_result("none", make_summary(leaky, half=0.0, metric=metric), accuracy=0.8),
            make_result("noisy", make_summary(tight, half=0.0, metric=metric, defense="noisy"), accuracy=0.8),
        ]
        (chart,) = frontiers(both)
        places = {mark.name: mark.leakage * (1 if chart.higher_is_better else -1) for mark in chart.marks}
        assert places["none"] > places["noisy"]
