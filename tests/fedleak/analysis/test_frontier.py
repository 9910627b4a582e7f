"""The frontier: defenses that no other beats in both accuracy and leakage."""

import math

from hypothesis import given
from hypothesis import strategies as st

from fedleak.analysis.frontier import Trade, members, trades_of


def test_a_defense_that_leaks_more_and_is_less_accurate_is_off_the_frontier(make_summary):
    trades = {
        "none": Trade.of(0.9, make_summary(40.0)),
        "good": Trade.of(0.85, make_summary(12.0)),
        "bad": Trade.of(0.8, make_summary(15.0)),
    }
    assert members(trades) == {"none", "good"}


def test_a_defense_whose_mean_hides_a_rebuilt_image_does_not_beat_another(make_summary):
    hidden = Trade.of(0.9, make_summary(8.0, 8.0, 8.0, 21.0))
    plain = Trade.of(0.8, make_summary(13.0, 13.0))
    assert hidden.worst.mean < plain.worst.mean
    assert members({"hidden": hidden, "plain": plain}) == {"hidden", "plain"}


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 60)), min_size=1, max_size=6))
def test_some_defense_is_always_on_it_and_equals_are_together(make_summary, pairs):
    trades = {str(i): Trade.of(a, make_summary(leak)) for i, (a, leak) in enumerate(pairs)}
    best = members(trades)
    assert best
    assert all((j in best) == (i in best) for i, one in trades.items() for j, other in trades.items()
               if (one.accuracy, one.worst.mean) == (other.accuracy, other.worst.mean))  # fmt: skip


def test_what_has_no_accuracy_or_no_figure_is_compared_with_nothing(make_result, make_summary):
    whole = make_result("whole", make_summary(12.0), accuracy=0.9)
    unevaluated = make_result("unevaluated", make_summary(5.0), accuracy=math.nan)
    assert list(trades_of([whole, unevaluated, make_result("unattacked", accuracy=0.9)])) == ["whole"]


def test_a_low_mean_with_a_long_tail_does_not_beat_a_short_one(make_summary):
    long, short = make_summary(1.0, 1.0, 1.0, 19.0), make_summary(9.0, 9.0, 9.0, 9.0)
    assert long.mean < short.mean
    assert members({"long": Trade.of(0.9, long), "short": Trade.of(0.9, short)}) == {"short"}


def test_what_the_strongest_attack_got_counts_not_the_highest_mean(make_result, make_summary):
    rebuilt = make_summary(8.0, 8.0, 8.0, 45.0, half=9.0, attack="one", defense="leaky")
    high = make_summary(19.0, 19.0, attack="many", defense="leaky")
    trade = trades_of([make_result("leaky", rebuilt, high, accuracy=0.9)])["leaky"]
    assert trade.worst is rebuilt
