"""Advice is drawn from the unfavorable ends of intervals, and only from attackers who knew the defense."""

import math
from dataclasses import replace

import pytest

from fedleak.analysis.advice import Limits, advise, parse_leak, why_not
from fedleak.analysis.utility import Figure
from fedleak.defenses.top_k import TopK
from fedleak.errors import ConfigError

UNKNOWN = Figure.of({})
WANTED = Limits(max_leak=20.0, min_accuracy=0.8)
SPARSE = (TopK(fraction=0.1),)


@pytest.fixture
def defense(make_result, make_summary):
    def made(name, leak, share, *, half=1.0, knows=True):
        figure = make_summary(leak, half=half, defense=name)
        knowing = {"plain": None, "adaptive": figure} if knows else {}
        return make_result(name, figure, accuracy=share, chain=SPARSE, **knowing)

    return made


def names(results):
    return [one.defense for one in results]


def test_what_keeps_both_limits_and_is_beaten_by_none_is_named(defense):
    found = [defense("good", 12.0, 0.90), defense("also", 15.0, 0.95), defense("worse", 16.0, 0.92)]
    advice = advise(found, WANTED)
    assert names(advice.named) == ["good", "also"]
    assert names(advice.beaten) == ["worse"]


def test_the_unfavorable_end_of_an_interval_counts(defense):
    found = [defense("wide", 19.5, 0.9), defense("unsure", 10.0, 0.805), defense("few", 10.0, 0.9, half=math.nan)]
    advice = advise(found, WANTED)
    assert not advice.named
    assert [(one.defense, why.partition(" ")[0]) for one, why in advice.near] == [
        ("wide", "psnr"), ("unsure", "accuracy"), ("few", "too"),
    ]  # fmt: skip


def test_one_that_may_not_keep_the_limits_takes_nothing_from_one_that_does(defense):
    advice = advise([defense("sure", 12.0, 0.90), defense("better, perhaps", 11.0, 0.95, half=12.0)], WANTED)
    assert names(advice.named) == ["sure"]
    assert [one.defense for one, _ in advice.near] == ["better, perhaps"]


def test_a_defense_that_no_attacker_knew_is_never_named(defense):
    [(one, why)] = advise([defense("blind spot", 5.0, 0.99, knows=False)], WANTED).refused
    assert one.defense == "blind spot"
    assert why.startswith("untested")


def test_an_untested_defense_beats_none(defense):
    found = [defense("tested", 12.0, 0.90), defense("untested", 5.0, 0.99, knows=False)]
    assert names(advise(found, WANTED).named) == ["tested"]


def test_what_leaks_more_or_costs_more_is_refused_with_the_figure(defense):
    unmeasured = replace(defense("unknown", 10.0, 0.9), accuracy=UNKNOWN)
    found = [defense("leaky", 30.0, 0.9), defense("dear", 10.0, 0.5), unmeasured]
    reasons = {one.defense: why for one, why in advise(found, WANTED).refused}
    assert "30.0" in reasons["leaky"]
    assert "50.0%" in reasons["dear"]
    assert "not measured" in reasons["unknown"]


def test_a_mean_that_hides_a_rebuilt_image_beats_none(make_result, make_summary):
    hidden = make_summary(8.0, 8.0, 8.0, 21.0, defense="hidden")
    plain = make_summary(13.0, 13.0, defense="plain")
    found = [
        make_result("hidden", hidden, accuracy=0.95, chain=SPARSE, adaptive=hidden),
        make_result("plain", plain, accuracy=0.90, chain=SPARSE, adaptive=plain),
    ]
    assert hidden.mean < plain.mean
    assert names(advise(found, WANTED).named) == ["hidden", "plain"]


def test_the_highest_mean_of_any_attack_is_held_against_the_limit(make_result, make_summary):
    rebuilt = make_summary(8.0, 8.0, 8.0, 45.0, half=1.0, attack="one", defense="leaky")
    high = make_summary(19.0, 19.0, attack="many", defense="leaky")
    one = make_result("leaky", rebuilt, high, accuracy=0.9, chain=SPARSE, adaptive=rebuilt)
    assert (one.strongest, one.highest) == (rebuilt, high)
    assert "by many" in why_not(one, Limits(max_leak=18.0, min_accuracy=0.8))


def test_accuracies_that_were_not_measured_leave_all_on_the_frontier(defense):
    found = [replace(defense(name, leak, 0.9), accuracy=UNKNOWN) for name, leak in (("more", 15.0), ("less", 10.0))]
    assert names(advise(found, Limits(max_leak=20.0, min_accuracy=0.0)).named) == ["more", "less"]


@pytest.mark.parametrize(("text", "value"), [("20", 20.0), ("20dB", 20.0), ("1e-3", 1e-3), (" -2.5 dB ", -2.5)])
def test_a_limit_may_have_a_unit(text, value):
    assert parse_leak(text) == value


@pytest.mark.parametrize("text", ["", "much", "2 0", "20dB or so"])
def test_a_limit_that_is_no_number_is_refused(text):
    with pytest.raises(ConfigError, match="--max-leak"):
        parse_leak(text)
