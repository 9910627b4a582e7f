"""Advice goes by the share of samples that may leak, by seeds, and by what else is read; never by a mean."""

import math
from dataclasses import replace

import numpy as np
import pytest

from fedleak.analysis.advice import Candidate, Limits, advise, parse_leak, why_not
from fedleak.analysis.operating_point import Figure, OperatingPoint
from fedleak.contracts.chain import Chain
from fedleak.defenses.top_k import TopK
from fedleak.errors import ConfigError
from fedleak.statistics.group import group_rows
from fedleak.statistics.summary import summarize

UNKNOWN = Figure.of({})
WANTED = Limits(max_leak=20.0, min_accuracy=0.8)
SPARSE = Chain((TopK(fraction=0.1),))
RECALL = {"metric": "label-recall", "unit": "share of labels", "baseline": 0.1, "no_access": 0.1, "attack": "signs"}
MANY = 75
"""Seeds, clean ones of which show a share of at most .05."""


@pytest.fixture(scope="session")
def candidate(make_row, make_result):
    """A defense of which these samples were attacked, one row of them a seed, and these labels."""

    def made(name, samples, accuracy=0.9, *, limits=WANTED, knows=True, labels=(), also=(), guess=RECALL, **changed):
        rows = [make_row(*map(float, own), seed=seed, defense=name, samples=max(len(own), 1))
                for seed, own in enumerate(samples)]  # fmt: skip
        rows += [
            make_row(*known(hit), seed=seed, defense=name, **{**RECALL, **guess}) for seed, hit in enumerate(labels)
        ]
        rows += [make_row(value, seed=seed, defense=name, **metric) for seed, (value, metric) in enumerate(also)]
        images = [one for one in summarize(rows) if one.group.metric == "psnr"]
        knowing = {"plain": None, "adaptive": images[0]} if knows else {}
        result = make_result(name, *images, accuracy=accuracy, chain=SPARSE, **{**knowing, **changed})
        return Candidate.of(result, group_rows(rows), summarize(rows), limits)

    return made


def known(value):
    return [] if math.isnan(value) else [float(value)]


def clean(value, seeds=MANY):
    return [[value]] * seeds


def names(candidates):
    return [one.defense for one in candidates]


def test_what_keeps_both_limits_and_is_beaten_by_none_is_named(candidate):
    found = [candidate("good", clean(12.0), 0.90), candidate("also", clean(15.0), 0.95)]
    advice = advise([*found, candidate("worse", clean(16.0), 0.92)], WANTED)
    assert names(advice.named) == ["good", "also"]
    assert names(advice.beaten) == ["worse"]


def test_ten_clean_seeds_do_not_show_a_small_share_however_many_samples_they_have(candidate):
    found = [candidate("few", clean(5.0, 10)), candidate("wide", [[5.0] * 40] * 10)]
    advice = advise(found, WANTED)
    assert [why for _, why in advice.near] == [
        f"0 of {count} samples past psnr 20.0 in 10 seeds: the share may be 0.31 (97.5%); "
        "72 clean seeds would show at most 0.05"
        for count in (10, 400)
    ]
    assert names(advise(found, replace(WANTED, max_share=0.32)).named) == ["few", "wide"]


def test_a_mean_below_the_limit_hides_no_sample_past_it(candidate):
    leaky = candidate("leaky", [*clean(5.0, 9), [60.0]])
    assert leaky.result.strongest.mean < WANTED.max_leak
    assert why_not(leaky, WANTED).startswith("1 of 10 samples past psnr 20.0")


def test_one_leak_of_many_needs_more_clean_seeds(candidate):
    [(_, why)] = advise([candidate("rare", [*clean(5.0), [60.0]])], WANTED).near
    assert "1 of 76 samples" in why
    assert why.endswith("110 seeds, no further of which leaks, would show at most 0.05")


@pytest.mark.slow
@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(("seeds", "batch", "chance"), [(5, 32, 0.05), (60, 2, 0.05), (60, 2, 0.1)])
def test_a_defense_that_leaks_some_samples_whole_is_seldom_named(candidate, seeds, batch, chance, together):
    """Of 60 runs at most 9: five in a hundred, and three standard errors; `benchmarks/advice.py` has thousands."""
    dice, named = np.random.default_rng(seeds), 0
    for _ in range(60):
        leaks = dice.random(size=(seeds, 1 if together else batch)) < chance
        found = candidate("leaky", np.where(leaks, 40.0, 8.0) * np.ones((seeds, batch)))
        named += len(advise([found], WANTED).named)
    assert named <= 9


def test_the_accuracy_counts_at_the_unfavorable_end_of_its_interval(candidate):
    unknown = replace(candidate("few", clean(5.0)).result.accuracy, interval=UNKNOWN.interval)
    found = [candidate("unsure", clean(5.0), 0.805), candidate("few", clean(5.0))]
    found[1] = replace(found[1], result=replace(found[1].result, accuracy=unknown))
    assert [why.partition(" (")[0] for _, why in advise(found, WANTED).near] == [
        "accuracy may be 79.5%",
        "its accuracy has no interval",
    ]


def test_a_defense_that_no_attacker_knew_is_never_named_and_beats_none(candidate):
    blind = candidate("blind spot", clean(5.0), 0.99, knows=False)
    advice = advise([blind, candidate("tested", clean(12.0))], WANTED)
    [(one, why)] = advice.refused
    assert (one.defense, why.partition(":")[0]) == ("blind spot", "untested")
    assert names(advice.named) == ["tested"]


def test_what_costs_too_much_or_was_not_measured_is_refused_with_the_figure(candidate):
    unmeasured = candidate("unknown", clean(5.0))
    unmeasured = replace(unmeasured, result=replace(unmeasured.result, accuracy=UNKNOWN))
    reasons = {
        one.defense: why for one, why in advise([candidate("dear", clean(5.0), 0.5), unmeasured], WANTED).refused
    }
    assert "50.0%" in reasons["dear"]
    assert "not measured" in reasons["unknown"]
    assert names(advise([unmeasured], replace(WANTED, min_accuracy=0.0)).named) == ["unknown"]


def test_a_defense_whose_labels_are_read_is_named_only_where_that_is_allowed(candidate):
    telling = candidate("telling", clean(5.0), labels=[1.0] * MANY)
    [(_, why)] = advise([telling], WANTED).refused
    assert why == "labels: leaked (label-recall 1.00 by signs, guessing 0.10); --allow labels accepts that"
    assert names(advise([telling], replace(WANTED, allowed=frozenset({"labels"}))).named) == ["telling"]
    assert names(advise([candidate("quiet", clean(5.0), labels=[0.0] * MANY)], WANTED).named) == ["quiet"]


def test_kinds_that_were_not_measured_are_known(candidate):
    assert candidate("one", clean(5.0)).unmeasured == [
        "labels",
        "membership",
        "properties",
        "representatives",
        "columns",
        "secrets",
        "payload",
    ]
    assert candidate("two", clean(5.0), labels=[0.0] * MANY).unmeasured == [
        "membership",
        "properties",
        "representatives",
        "columns",
        "secrets",
        "payload",
    ]


def test_only_kinds_and_metrics_on_images_can_be_allowed():
    with pytest.raises(ConfigError, match=r"--allow: expected one of .* ssim.* got 'label'; did you mean 'labels'"):
        Limits(max_leak=1.0, allowed=frozenset({"label"}))


def test_without_a_figure_there_is_nothing_to_advise(make_result):
    nothing = make_result("silent", accuracy=0.9)
    assert why_not(Candidate.of(nothing, {}, (), WANTED), WANTED) == "no attack on it has a figure"
    assert math.isnan(Candidate.of(nothing, {}, (), WANTED).exposure.share)


@pytest.mark.parametrize(
    ("text", "metric", "value"),
    [
        ("20", "psnr", 20.0),
        ("20dB", "psnr", 20.0),
        ("1e-3", "mse", 1e-3),
        (" 2.5 dB ", "psnr", 2.5),
        ("5%", "label-recall", 0.05),
    ],
)
def test_a_limit_may_have_the_metric_s_unit(text, metric, value):
    assert parse_leak(text, metric) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "much", "2 0", "20dB or so"])
def test_a_limit_that_is_no_number_is_refused(text):
    with pytest.raises(ConfigError, match="--max-leak: expected a number"):
        parse_leak(text, "psnr")


@pytest.mark.parametrize(("text", "metric"), [("0.5dB", "ssim"), ("5%", "psnr"), ("20ssim", "psnr")])
def test_a_limit_in_another_unit_is_refused(text, metric):
    with pytest.raises(ConfigError, match=f"--max-leak: {metric} is in "):
        parse_leak(text, metric)


@pytest.mark.parametrize(("text", "metric"), [("20", "ssim"), ("1", "label-recall"), ("0", "mse"), ("1000", "psnr")])
def test_a_limit_that_nothing_could_be_past_is_refused(text, metric):
    with pytest.raises(ConfigError, match=f"--max-leak: nothing leaks more than {metric}"):
        parse_leak(text, metric)


def test_a_message_on_which_who_knows_the_defense_failed_may_have_leaked(candidate):
    [(_, why)] = advise([candidate("shaky", [*clean(5.0), []])], WANTED).near
    assert "0 of 76 samples" in why
    assert "1 more may be: dlg has no figure (it raised) in 1 message" in why
    assert "110 seeds, no further of which leaks" in why


def test_federations_that_broke_down_have_no_accuracy_to_speak_for_the_others(candidate):
    broken = candidate("fragile", clean(5.0), broken=3)
    assert [why for _, why in advise([broken], WANTED).near] == [
        "3 federations did not get to the end, so the accuracy is unknown"
    ]
    assert names(advise([broken], replace(WANTED, min_accuracy=0.0)).named) == ["fragile"]


SSIM = {"metric": "ssim", "unit": "", "baseline": 0.1, "no_access": 0.1}


def test_images_that_another_metric_calls_rebuilt_are_allowed_or_refused(candidate):
    seen = candidate("clear", clean(5.0), also=[(0.95, SSIM)] * MANY)
    [(_, why)] = advise([seen], WANTED).refused
    assert why == "ssim: leaked (ssim 0.95 by dlg, guessing 0.10); --allow ssim accepts that"
    assert names(advise([seen], replace(WANTED, allowed=frozenset({"ssim"}))).named) == ["clear"]
    assert names(advise([candidate("dim", clean(5.0), also=[(0.2, SSIM)] * MANY)], WANTED).named) == ["dim"]


@pytest.mark.parametrize("hits", [[0.0] * 70 + [1.0] * 30, [1.0] + [math.nan] * 79, [math.nan] * 80])
def test_labels_that_may_be_read_are_no_clean_bill(candidate, hits):
    """As many as guessing has and some, too few to tell, or none for an attack that failed."""
    guess = {"baseline": 0.25, "no_access": 0.25}
    found = candidate("telling", clean(5.0, 110), labels=hits, guess=guess)
    advice = advise([found], WANTED)
    assert not advice.named
    why = next(why for _, why in (*advice.near, *advice.refused))
    assert why.startswith("labels: ")
    assert "--allow labels accepts that" in why
    assert names(advise([found], replace(WANTED, allowed=frozenset({"labels"}))).named) == ["telling"]


def test_an_accuracy_of_another_setting_is_not_paired_with_the_leak(candidate):
    two = OperatingPoint(differs="leak: 1 step; accuracy: 8 steps", attacked="round 1", rounds=(9,), rising=0)
    apart = candidate("apart", clean(5.0), operating_point=two)
    assert why_not(apart, WANTED) == "leak and accuracy do not belong together: leak: 1 step; accuracy: 8 steps"
    assert why_not(apart, replace(WANTED, min_accuracy=0.0)) == ""
