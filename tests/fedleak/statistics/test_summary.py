"""A summary says what its rows say, and how sure that is."""

import math
import statistics

import pytest
from scipy import stats

from fedleak.results.schema import AGGREGATE, MODEL
from fedleak.statistics.intervals import Units, of_mean
from fedleak.statistics.summary import summarize

RECALL = {"metric": "label-recall", "unit": "share of labels"}
ERROR = {"metric": "mse", "unit": "squared intensity", "higher_is_better": False}


def test_a_figure_is_the_mean_over_messages_with_both_baselines_beside_it(make_row):
    rows = [
        make_row(20.0, 24.0, baseline=10.0, no_access=8.0),
        make_row(15.0, client=1, baseline=12.0, no_access=math.nan),
        make_row(client=2, baseline=99.0, no_access=99.0),
    ]
    (summary,) = summarize(rows)
    assert summary.mean == statistics.mean([22.0, 15.0])
    assert (summary.prior, summary.no_access) == (11.0, 8.0)
    assert summary.samples == (20.0, 24.0, 15.0)
    assert (summary.messages, summary.seeds) == (2, 1)
    assert summary.failures == {"it raised": 1}
    assert (summary.unit, summary.higher_is_better) == ("dB", True)


def test_the_sum_and_single_updates_are_two_figures(make_row):
    first, second = summarize([make_row(1.0), make_row(2.0, client=AGGREGATE), make_row(3.0, client=1)])
    assert (first.group.sender, first.mean, second.group.sender, second.mean) == ("client", 2.0, "aggregate", 2.0)


def test_tuning_rows_are_in_no_figure(make_row):
    tuning = [make_row(99.0, attack=f"dlg steps={n}", split="tuning", seed=9) for n in (1, 2)]
    (summary,) = summarize([*tuning, make_row(1.0, attack="dlg steps=1")])
    assert (summary.mean, summary.messages, summary.tuned) == (1.0, 1, True)
    assert summarize(tuning) == []
    assert not summarize([make_row(1.0)])[0].tuned


def test_every_metric_of_the_chosen_variant_is_marked(make_row):
    rows = [make_row(5.0, attack="dlg steps=2", split="tuning"), make_row(4.0, attack="dlg steps=1", split="tuning")]
    rows += [make_row(1.0, attack=f"dlg steps={n}", metric=metric) for n in (1, 2) for metric in ("psnr", "ssim")]
    assert [summary.tuned for summary in summarize(rows)] == [False, False, True, True]


def test_the_worst_case_is_the_sample_that_leaked_most(make_row):
    high = summarize([make_row(20.0, 24.0), make_row(15.0, client=1)])[0]
    low = summarize([make_row(0.2, 0.1, **ERROR), make_row(0.4, client=1, **ERROR)])[0]
    assert (high.worst_case, low.worst_case) == (24.0, 0.1)


def test_the_share_counts_samples_at_the_threshold_and_beyond(make_row):
    (high,) = summarize([make_row(value, client=client) for client, value in enumerate((19.9, 20.0, 20.1, 3.0))])
    assert (high.threshold, high.share) == (20.0, 0.5)
    theirs = stats.binomtest(2, 4).proportion_ci(0.95, "exact")
    assert (high.share_interval.low, high.share_interval.high) == pytest.approx((theirs.low, theirs.high))
    assert high.share_interval.method == "Clopper-Pearson over 4 messages of one seed"
    (low,) = summarize([make_row(0.011, 0.01, 0.0, 1.0, 0.5, **ERROR)])
    assert (low.threshold, low.share, low.share_interval.method) == (0.01, 2 / 5, "too few: 1 message")


def test_a_metric_that_is_not_installed_has_no_threshold(make_row):
    (summary,) = summarize([make_row(1.0, metric="from-elsewhere")])
    assert math.isnan(summary.threshold)
    assert math.isnan(summary.share)
    assert summary.share_interval.method == "too few: 0 messages"
    assert summary.leaked == 0
    assert summary.mean == 1.0


def test_a_share_of_samples_has_the_exact_interval(make_row):
    hits = [1.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0]
    (summary,) = summarize([make_row(hit, seed=seed, **RECALL) for seed, hit in enumerate(hits)])
    theirs = stats.binomtest(5, 7).proportion_ci(0.95, "exact")
    assert (summary.interval.low, summary.interval.high) == pytest.approx((theirs.low, theirs.high))
    assert summary.interval.method == "Clopper-Pearson over 7 seeds"


def test_messages_of_different_sizes_count_alike_in_the_mean(make_row):
    (summary,) = summarize([make_row(1.0, 0.0, **RECALL), make_row(1.0, client=1, **RECALL)])
    assert (summary.mean, summary.share) == (0.75, 2 / 3)
    assert summary.interval.method == "Gaffke's bounds over 2 messages of one seed"


def test_errors_that_are_all_zero_are_no_share(make_row):
    (summary,) = summarize([make_row(0.0, seed=seed, **ERROR) for seed in range(6)])
    assert (summary.interval.low, summary.interval.high) == (0.0, pytest.approx(1 - 0.025 ** (1 / 6), abs=0.02))
    assert summary.interval.method == "Gaffke's bounds over 6 seeds"


@pytest.mark.parametrize("values", [[12.0, 15.0, 11.0, 19.0], [12.0, 15.0, 11.0, 19.0, 13.0, 14.0]])
def test_other_figures_have_the_interval_of_a_mean(make_row, values):
    (summary,) = summarize([make_row(value, client=client) for client, value in enumerate(values)])
    assert summary.interval == of_mean(Units.of(values, [0] * len(values)))
    assert summary.interval.low < summary.mean < summary.interval.high


def test_an_interval_does_not_leave_the_metric_s_bounds(make_row):
    (summary,) = summarize([make_row(value, client=client) for client, value in enumerate((1.0, 99.0))])
    assert (summary.interval.low, summary.interval.high) == (0.0, 100.0)


@pytest.mark.parametrize("values", [(13.0, 13.2, 4.0), (13.28, 13.28, 13.28)])
def test_an_interval_of_bits_ends_where_the_secret_has_no_more(make_row, values):
    by_chance = math.log2(10_000) - math.lgamma(10_001) / math.log(2) / 10_000
    facts = {"metric": "exposure", "unit": "bits", "baseline": by_chance}
    (summary,) = summarize([make_row(value, client=client, **facts) for client, value in enumerate(values)])
    assert summary.mean < summary.interval.high <= math.log2(10_000) + 1e-9


def test_one_message_has_no_interval(make_row):
    (summary,) = summarize([make_row(12.0), make_row(client=1)])
    assert math.isnan(summary.interval.low)
    assert summary.interval.method == "too few: 1 message"


def test_where_nothing_was_measured_all_is_nan_and_says_why(make_row):
    (summary,) = summarize([make_row(), make_row(client=1, reason="no labels"), make_row(client=2, reason=None)])
    for figure in (summary.mean, summary.prior, summary.no_access, summary.worst_case, summary.share):
        assert math.isnan(figure)
    assert summary.interval.method == "too few: 0 messages"
    assert summary.failures == {"it raised": 1, "no labels": 1, "no reason given": 1}
    assert (summary.messages, summary.seeds, summary.samples) == (0, 0, ())


def test_a_sample_without_a_guess_is_left_out(make_row):
    (summary,) = summarize([make_row(21.0, math.nan, value=21.0, best=21.0, worst=21.0, reason="1 of 2 has no guess")])
    assert (summary.samples, summary.share, summary.mean) == ((21.0,), 1.0, 21.0)
    assert summary.failures == {}


def test_proven_guesses_are_counted_beside_those_that_could_be(make_row):
    rows = [make_row(1.0, client=client, certifiable=client < 3, certified=client < 2) for client in range(4)]
    (summary,) = summarize(rows)
    assert (summary.certifiable, summary.certified) == (3, 2)


def test_what_could_be_judged_and_has_no_figure_failed(make_row):
    unfit = make_row(client=2, applicable=False, reason="the attack guesses no examples")
    (summary,) = summarize([make_row(1.0), make_row(client=1), unfit])
    assert summary.failed == 1
    assert summary.failures == {"it raised": 1, "the attack guesses no examples": 1}


@pytest.mark.slow
def test_a_sample_leaks_where_it_is_past_the_threshold_and_guessing_is_not(make_row):
    """Of 25 dB each: guessing gives nothing, 24, 22, 21.9 and 30 dB; the margin is 3."""
    guesses = (math.nan, 24.0, 22.0, 21.9, 30.0)
    (summary,) = summarize([make_row(*[25.0] * 5, prior_per_sample=guesses)])
    assert (summary.share, summary.leaked) == (1.0, 3)
    (below,) = summarize([make_row(19.0, prior_per_sample=(0.0,))])
    assert below.leaked == 0


def test_a_label_that_guessing_hits_as_well_did_not_leak(make_row):
    (summary,) = summarize([make_row(1.0, 1.0, 1.0, 0.0, prior_per_sample=(1.0, 0.125, 0.0, 0.0), **RECALL)])
    assert (summary.share, summary.leaked) == (0.75, 2)


def test_what_was_attacked_has_its_own_word_where_there_is_too_little_of_it(make_row):
    model, message = summarize([make_row(9.0, client=MODEL), make_row(9.0)])
    assert model.interval.method == "too few: 1 model"
    assert message.interval.method == "too few: 1 message"
