"""The gain is what the update adds to guessing, sample by sample; luck of the guesses is not taken for leakage."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fedleak.statistics.gain import more_hits_than_guessing
from fedleak.statistics.summary import summarize

RECALL = {"metric": "label-recall", "unit": "share of labels"}
ERROR = {"metric": "mse", "unit": "squared intensity", "higher_is_better": False}


@pytest.fixture(scope="session")
def hits(make_row):
    """The summary of messages of one label each: whether it was guessed, and what guessing hits."""

    def make(found, guesses, seeds=None):
        rows = [
            make_row(float(hit), client=c, seed=0 if seeds is None else seeds[c], prior_per_sample=(guess,), **RECALL)
            for c, (hit, guess) in enumerate(zip(found, guesses, strict=True))
        ]
        return summarize(rows)[0]

    return make


def test_the_gain_is_taken_sample_by_sample_and_message_by_message(make_row):
    rows = [
        make_row(20.0, 30.0, prior_per_sample=(10.0, 22.0)),
        make_row(25.0, 99.0, client=1, prior_per_sample=(14.0, math.nan)),
        make_row(13.0, client=2, prior_per_sample=(3.0,)),
        make_row(50.0, client=3, prior_per_sample=(math.nan,)),
    ]
    (summary,) = summarize(rows)
    theirs = stats.ttest_1samp([9.0, 11.0, 10.0], 0.0).confidence_interval()
    assert summary.gain == pytest.approx(10)
    assert (summary.gain_interval.low, summary.gain_interval.high) == (
        pytest.approx(theirs.low), pytest.approx(theirs.high),
    )  # fmt: skip
    assert summary.beats_guessing is True


def test_where_lower_leaks_more_a_lower_figure_is_a_gain(make_row):
    rows = [make_row(0.01 * c, client=c, baseline=0.5, no_access=0.2, **ERROR) for c in (1, 2, 3)]
    (summary,) = summarize(rows)
    assert summary.gain == pytest.approx(0.18)
    assert 0 < summary.gain_interval.low < 0.18


def test_without_any_guess_there_is_no_gain(make_row):
    (summary,) = summarize([make_row(9.0, client=c, baseline=math.nan, no_access=math.nan) for c in range(3)])
    assert math.isnan(summary.gain)
    assert math.isnan(summary.gain_interval.low)
    assert summary.beats_guessing is None


def test_an_interval_that_reaches_down_to_guessing_does_not_beat_it(make_row):
    (summary,) = summarize([make_row(10.0 + gain, client=c) for c, gain in enumerate((9.0, -1.0, 0.5))])
    assert summary.gain > 0
    assert summary.beats_guessing is False


def test_one_message_is_too_few(make_row):
    (summary,) = summarize([make_row(99.0)])
    assert (summary.gain, summary.beats_guessing) == (89.0, None)


@pytest.mark.slow
@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=30))
def test_hits_are_tested_as_scipy_does_against_smoothed_guesses(pairs):
    found, guesses = np.array([float(hit) for hit, _ in pairs]), np.array([guess for _, guess in pairs])
    chance = (guesses.sum() + 1) / (len(pairs) + 2)
    theirs = stats.binomtest(int(found.sum()), len(pairs), chance, "greater").pvalue
    best = stats.binomtest(len(pairs), len(pairs), chance, "greater").pvalue
    assert more_hits_than_guessing(found, guesses) == (None if best > 0.0125 else theirs <= 0.0125)


def test_of_labels_one_hit_more_than_guessing_proves_nothing(hits):
    assert hits([1, 0, 0, 0], [0.0] * 4).beats_guessing is False
    assert hits([1, 1, 1, 1], [0.125] * 4).beats_guessing is True
    assert hits([1, 1], [0.0, 0.0]).beats_guessing is None
    assert hits([1, 1, 1, 1], [1.0, 0.0, 1.0, 0.0]).beats_guessing is None


def test_labels_of_one_seed_go_together(hits):
    """Of five seeds all eight labels of one were guessed: forty labels would be sure, five seeds are not."""
    seeds = [seed for seed in range(5) for _ in range(8)]
    alone = hits([seed == 0 for seed in seeds], [0.0] * 40, seeds)
    assert more_hits_than_guessing(np.array([1.0] * 8 + [0.0] * 32), np.zeros(40)) is True
    assert alone.beats_guessing is False
    assert hits([1] * 40, [0.1] * 40, seeds).beats_guessing is True


def test_several_labels_a_message_are_judged_by_the_interval(make_row):
    rows = [
        make_row(1.0, hit, client=c, prior_per_sample=(0.1, 0.2), **RECALL) for c, hit in enumerate((1.0, 0.0, 1.0))
    ]
    (summary,) = summarize(rows)
    assert summary.gain == pytest.approx(2.5 / 3 - 0.15)
    assert summary.beats_guessing is bool(summary.gain_interval.low > 0)
