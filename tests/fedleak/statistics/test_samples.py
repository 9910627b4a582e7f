"""A share's interval is exact where samples are independent and knows where they are not."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fedleak.statistics.group import installed
from fedleak.statistics.intervals import Units, gaffke
from fedleak.statistics.samples import (
    Samples,
    hit_or_miss,
    mean_share_interval,
    seeds_needed,
    share_beyond,
    share_interval,
    share_limit,
)


@pytest.mark.slow
@given(st.lists(st.integers(0, 1), min_size=1, max_size=30))
def test_one_sample_a_message_has_scipy_s_exact_interval(hits):
    theirs = stats.binomtest(sum(hits), len(hits)).proportion_ci(0.95, "exact")
    ours = share_interval(hits, [1] * len(hits), [0] * len(hits))
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


@pytest.mark.parametrize("hits", [[0, 0, 0], [4, 4, 4]])
def test_messages_that_agree_are_one_trial_each(hits):
    interval = share_interval(hits, [4] * 3, [0] * 3)
    theirs = stats.binomtest(sum(hits) // 4, 3).proportion_ci(0.95, "exact")
    assert (interval.low, interval.high) == pytest.approx((theirs.low, theirs.high))
    assert interval.method == "Clopper-Pearson over 3 messages of one seed"


def test_messages_that_agree_on_a_half_are_not_sure_of_it():
    interval = share_interval([2, 2], [4, 4], [0, 0])
    assert interval.low < 0.15
    assert interval.high > 0.85


def test_messages_of_several_samples_are_as_sure_as_they_are_alike():
    alike, apart = (
        share_interval(hits, [4] * 8, [0] * 8) for hits in ([2, 2, 2, 2, 2, 2, 1, 3], [0, 4, 0, 4, 0, 4, 1, 3])
    )
    assert alike.high - alike.low < apart.high - apart.low
    assert alike.method == "Gaffke's bounds over 8 messages of one seed"


def test_from_five_seeds_on_the_seeds_are_the_units():
    seeds = [seed for seed in range(5) for _ in range(2)]
    interval = share_interval([1, 0, 1, 1, 0, 0, 1, 1, 1, 0], [1] * 10, seeds)
    assert interval == gaffke(Units.of([1.0, 2.0, 0.0, 2.0, 1.0], [*range(5)], [2] * 5), (0.0, 1.0))
    assert interval.method == "Gaffke's bounds over 5 seeds"
    assert share_interval([1, 0, 1, 1, 0], [1] * 5, [*range(5)]).method == "Clopper-Pearson over 5 seeds"


def test_the_limit_of_a_share_is_by_seeds_however_many_messages_they_have():
    for messages in (1, 4):
        seeds = [seed for seed in range(10) for _ in range(messages)]
        assert share_limit([0] * len(seeds), [8] * len(seeds), seeds) == pytest.approx(1 - 0.025 ** (1 / 10))
    assert share_limit([0] * 100, [1] * 100, [0] * 100) == pytest.approx(0.975)
    assert share_limit([], [], []) == 1.0


@pytest.mark.parametrize("spread", [0.02, 1.0, 50.0])
def test_the_limit_of_a_share_is_above_it_as_often_as_promised(spread):
    """300 runs of 12 seeds with chances of their own, of mean .05; three standard errors are .038."""
    dice = np.random.default_rng(7)
    hits = dice.binomial(4, dice.beta(0.05 * spread, 0.95 * spread, size=(300, 12)))
    limits = [share_limit(own.tolist(), [4] * 12, range(12)) for own in hits]
    assert np.mean([limit >= 0.05 for limit in limits]) >= 0.95 - 0.038


@pytest.mark.parametrize(("leaked", "share", "seeds"), [(0, 0.05, 72), (1, 0.05, 110), (0, 0.5, 6), (0, 0.01, 368)])
def test_so_many_seeds_are_needed_as_make_the_limit_small_enough(leaked, share, seeds):
    assert seeds_needed(float(leaked), share) == seeds
    hits = [1] * leaked + [0] * (seeds - leaked)
    assert (
        share_limit(hits, [1] * seeds, range(seeds))
        <= share
        < share_limit(hits[:-1], [1] * (seeds - 1), range(seeds - 1))
    )


def test_one_message_of_several_samples_is_too_few():
    interval = share_interval([2], [4], [0])
    assert math.isnan(interval.low)
    assert interval.method == "too few: 1 message"
    assert share_interval([0, 2], [0, 4], [0, 0]).method == interval.method


def test_a_large_message_counts_more_in_a_share_of_samples_than_in_a_mean_over_messages():
    sizes = [100, 10, 10]
    pooled, mean = share_interval([50, 6, 5], sizes, [0] * 3), mean_share_interval([0.5, 0.6, 0.5], sizes, [0] * 3)
    assert pooled.low < 61 / 120 < pooled.high
    assert pooled != mean


@given(hits=st.lists(st.integers(0, 6), max_size=12), many=st.booleans())
def test_no_share_leaves_0_to_1(hits, many):
    seeds = [client if many else 0 for client in range(len(hits))]
    interval = share_interval(hits, [6] * len(hits), seeds)
    assert math.isnan(interval.low) or 0 <= interval.low <= sum(hits) / (6 * len(hits)) + 1e-9
    assert math.isnan(interval.high) or sum(hits) / (6 * len(hits)) - 1e-9 <= interval.high <= 1


@pytest.mark.slow
def test_the_share_of_samples_that_go_together_is_covered_at_least_as_often_as_promised():
    """Eight messages of four samples, each with a chance of its own; Clopper-Pearson over samples holds less."""
    dice, naive, ours = np.random.default_rng(0), 0, 0
    for chances in dice.beta(1, 1, size=(400, 8)):
        hits = dice.binomial(4, chances)
        interval = share_interval(hits.tolist(), [4] * 8, [0] * 8)
        pooled = stats.binomtest(int(hits.sum()), 32).proportion_ci(0.95, "exact")
        ours += interval.low <= 0.5 <= interval.high
        naive += pooled.low <= 0.5 <= pooled.high
    assert ours / 400 >= 0.95
    assert naive / 400 == pytest.approx(0.90, abs=0.045)


def test_a_threshold_of_one_s_own_counts_from_it_on(make_row):
    rows = [make_row(17.0, 18.0, 19.0, math.nan), make_row(2.0, client=1), make_row(client=2)]
    share, interval = share_beyond(rows, Samples.of(rows), 18.0)
    assert share == 0.5
    assert interval == share_interval([2, 0], [3, 1], [0, 0])
    nothing, none = share_beyond(rows[2:], Samples.of(rows[2:]), 18.0)
    assert math.isnan(nothing)
    assert none.method == "too few: 0 messages"


@pytest.mark.parametrize(
    ("unit", "values", "expected"),
    [
        ("share of labels", [0, 1, 1], True),
        ("dB", [0, 1], False),
        ("share of it", [0, 0.5], False),
        ("share", [], False),
    ],
)
def test_what_hits_or_misses_says_so_by_its_unit_too(unit, values, expected):
    assert hit_or_miss(unit, np.array(values, dtype=float)) is expected


def test_the_better_guess_is_chosen_once_for_all_samples(make_row):
    """Of labels the guesses hit .36 and .32 on average; the better of the two for each sample would hit .53."""
    prior, drawn = (0.9, 0.0, 0.3, 0.24), (0.0, 0.8, 0.3, 0.18)
    samples = Samples.of([make_row(*[1.0] * 4, prior_per_sample=prior, no_access_per_sample=drawn)])
    assert tuple(samples.guesses) == prior
    assert np.maximum(prior, drawn).mean() > 0.5


def test_messages_weigh_the_same_in_the_choice_and_lower_may_be_better(make_row):
    rows = [
        make_row(0.5, prior_per_sample=(0.1,), class_mean_per_sample=(0.3,), higher_is_better=False),
        make_row(*[0.5] * 3, prior_per_sample=(0.3,) * 3, class_mean_per_sample=(0.2,) * 3, higher_is_better=False),
    ]
    assert tuple(Samples.of(rows).guesses) == (0.1, 0.3, 0.3, 0.3)


def test_a_guess_that_some_messages_lack_is_not_chosen(make_row):
    rows = [
        make_row(9.0, prior_per_sample=(1.0,), class_mean_per_sample=(5.0,)),
        make_row(9.0, prior_per_sample=(2.0,)),
    ]
    assert tuple(Samples.of(rows).guesses) == (1.0, 2.0)


@pytest.mark.parametrize("oracle", ["single_color_per_sample", "nearest_public_per_sample", "class_mean_per_sample"])
def test_a_sample_that_a_reference_comes_near_to_did_not_leak(make_row, oracle):
    """A flat photo that was guessed as a flat patch has 40 dB, and so has the best single color."""
    samples = Samples.of([make_row(40.0, 40.0, **{oracle: (40.0, 30.0)})])
    assert samples.leaked(threshold=20.0, margin=3.0).tolist() == [False, True]


@pytest.mark.parametrize(("metric", "perfect", "near", "prior"), [("ssim", 1.0, 0.95, 0.1), ("mse", 0.0, 0.002, 0.1)])
def test_a_perfect_image_leaks_however_near_a_reference_is(make_row, metric, perfect, near, prior):
    known = installed(metric)

    def leaks(value):
        guesses = {"baseline": prior, "no_access": prior, "nearest_public_per_sample": (near,)}
        row = make_row(value, metric=metric, higher_is_better=known.higher_is_better, **guesses)
        return Samples.of([row]).leaked(known.threshold, known.margin).all()

    assert leaks(perfect)
    assert not leaks(near + (perfect - near) / 3)


def test_each_seed_counts_alike_however_many_samples_it_has():
    clean = share_limit([0] * 75, [1] * 75, range(75))
    one_large = share_limit([20, *[0] * 74], [20, *[1] * 74], range(75))
    assert one_large == pytest.approx(share_limit([1, *[0] * 74], [1] * 75, range(75)))
    assert clean < one_large < 0.1
