"""The frontier: defenses that no other beats in both accuracy and leakage."""

import math

from hypothesis import given
from hypothesis import strategies as st

from fedleak.analysis.evidence import Condition
from fedleak.report.frontier import Trade, accuracies, frontiers, members
from fedleak.results.federation_row import FederationRow

HERE = Condition(task="digits-mlp")


def federation(defense="none", accuracy=0.8, **changed) -> FederationRow:
    fields = {"task": "digits-mlp", "setting": {}, "federation": "", "split": "test", "seed": 0, "round": 1,
              "messages": 2, "failures": 0, "loss": 1.0, "seconds": 1.0}  # fmt: skip
    return FederationRow(**{**fields, "defense": defense, "accuracy": accuracy, **changed})


def test_a_defense_that_leaks_more_and_is_less_accurate_is_off_the_frontier(make_summary):
    trades = {
        "none": Trade(accuracy=0.9, worst=make_summary(40.0)),
        "good": Trade(accuracy=0.85, worst=make_summary(12.0)),
        "bad": Trade(accuracy=0.8, worst=make_summary(15.0)),
    }
    assert members(trades) == {"none", "good"}


def test_a_defense_whose_mean_hides_a_rebuilt_image_does_not_beat_another(make_summary):
    hidden = Trade(accuracy=0.9, worst=make_summary(8.0, 8.0, 8.0, 21.0))
    plain = Trade(accuracy=0.8, worst=make_summary(13.0, 13.0))
    assert hidden.worst.mean < plain.worst.mean
    assert members({"hidden": hidden, "plain": plain}) == {"hidden", "plain"}


def test_blind_guesses_have_no_mark_and_variants_all_count(make_summary):
    blind = make_summary(40.0, attack="no-gradient")
    chosen, other = make_summary(11.0, attack="dlg", tuned=True), make_summary(14.3, half=9.0, attack="dlg steps=9")
    (chart,) = frontiers([blind, chosen, other], [federation()])
    assert "psnr 14.3 dB by dlg steps=9" in chart.marks[0].says


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 60)), min_size=1, max_size=6))
def test_some_defense_is_always_on_it_and_equals_are_together(make_summary, pairs):
    trades = {str(i): Trade(accuracy=a, worst=make_summary(leak)) for i, (a, leak) in enumerate(pairs)}
    best = members(trades)
    assert best
    assert all((j in best) == (i in best) for i, one in trades.items() for j, other in trades.items()
               if (one.accuracy, one.worst.mean) == (other.accuracy, other.worst.mean))  # fmt: skip


def test_the_last_round_of_each_seed_counts():
    rows = [federation(accuracy=0.1), federation(accuracy=0.7, round=2), federation(accuracy=0.9, seed=1),
            federation(accuracy=0.0, split="tuning", seed=2), federation(accuracy=math.nan, round=3)]  # fmt: skip
    assert accuracies(HERE, rows) == {"none": (0.7 + 0.9) / 2}


def test_a_model_that_was_not_evaluated_has_no_frontier(make_summary):
    assert frontiers([make_summary(30.0)], [federation(accuracy=math.nan)]) == []


def test_more_leakage_is_higher_up_whatever_the_metric(make_summary):
    rows = [federation(), federation("noisy")]
    for metric, leaky, tight in (("psnr", 40.0, 10.0), ("mse", 0.001, 0.2)):
        both = [
            make_summary(leaky, half=0.0, metric=metric),
            make_summary(tight, half=0.0, metric=metric, defense="noisy"),
        ]
        (chart,) = frontiers(both, rows)
        places = {mark.name: mark.leakage * (1 if chart.higher_is_better else -1) for mark in chart.marks}
        assert places["none"] > places["noisy"]
