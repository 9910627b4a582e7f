"""Advice is drawn from the unfavourable ends of intervals, and only from attackers who knew the defense."""

import math
from dataclasses import replace

import pytest

from fedleak.analysis.advice import Limits, advise, parse_leak
from fedleak.analysis.defenses import Figure, Standing
from fedleak.analysis.evidence import Condition
from fedleak.errors import ConfigError
from fedleak.statistics.intervals import Interval

UNKNOWN = Figure.of({})
WANTED = Limits(max_leak=20.0, min_accuracy=0.8)


def accuracy(mean, half=0.01):
    return Figure(mean=mean, interval=Interval(low=mean - half, high=mean + half, method="by hand"))


@pytest.fixture
def standing(make_summary):
    def made(name, leak, share, *, half=1.0, knows=True, **more):
        figure = make_summary(leak, half=half, defense=name)
        return Standing(
            condition=Condition(task="digits-mlp"),
            defense=name,
            defended=True,
            plain=None if knows else figure,
            adaptive=figure if knows else None,
            knowing=None,
            accuracy=accuracy(share, **more),
            sent=UNKNOWN,
            encoded=UNKNOWN,
            seconds=UNKNOWN,
            memory=UNKNOWN,
            guarantee=None,
            whole=None,
            bound=None,
        )

    return made


def names(standings):
    return [one.defense for one in standings]


def test_what_keeps_both_limits_and_is_beaten_by_none_is_named(standing):
    found = [standing("good", 12.0, 0.90), standing("also", 15.0, 0.95), standing("worse", 16.0, 0.92)]
    advice = advise(found, WANTED)
    assert names(advice.named) == ["good", "also"]
    assert names(advice.beaten) == ["worse"]


def test_the_unfavourable_end_of_an_interval_counts(standing):
    found = [standing("wide", 19.5, 0.9), standing("unsure", 10.0, 0.805), standing("few", 10.0, 0.9, half=math.nan)]
    advice = advise(found, WANTED)
    assert not advice.named
    assert [(one.defense, why.partition(" ")[0]) for one, why in advice.near] == [
        ("wide", "psnr"), ("unsure", "accuracy"), ("few", "too"),
    ]  # fmt: skip


def test_one_that_may_not_keep_the_limits_takes_nothing_from_one_that_does(standing):
    advice = advise([standing("sure", 12.0, 0.90), standing("better, perhaps", 11.0, 0.95, half=12.0)], WANTED)
    assert names(advice.named) == ["sure"]
    assert [one.defense for one, _ in advice.near] == ["better, perhaps"]


def test_a_defense_that_no_attacker_knew_is_never_named(standing):
    [(one, why)] = advise([standing("blind spot", 5.0, 0.99, knows=False)], WANTED).refused
    assert one.defense == "blind spot"
    assert why.startswith("untested")


def test_an_untested_defense_beats_none(standing):
    found = [standing("tested", 12.0, 0.90), standing("untested", 5.0, 0.99, knows=False)]
    assert names(advise(found, WANTED).named) == ["tested"]


def test_what_leaks_more_or_costs_more_is_refused_with_the_figure(standing):
    unmeasured = replace(standing("unknown", 10.0, 0.9), accuracy=UNKNOWN)
    found = [standing("leaky", 30.0, 0.9), standing("dear", 10.0, 0.5), unmeasured]
    reasons = {one.defense: why for one, why in advise(found, WANTED).refused}
    assert "30.0" in reasons["leaky"]
    assert "50.0%" in reasons["dear"]
    assert "not measured" in reasons["unknown"]


@pytest.mark.parametrize(("text", "value"), [("20", 20.0), ("20dB", 20.0), ("1e-3", 1e-3), (" -2.5 dB ", -2.5)])
def test_a_limit_may_have_a_unit(text, value):
    assert parse_leak(text) == value


@pytest.mark.parametrize("text", ["", "much", "2 0", "20dB or so"])
def test_a_limit_that_is_no_number_is_refused(text):
    with pytest.raises(ConfigError, match="--max-leak"):
        parse_leak(text)
