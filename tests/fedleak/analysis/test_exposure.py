"""A sample is exposed by whichever attacker got most of it, and only those who know the defense speak for it."""

import math

import pytest

from fedleak.analysis.exposure import exposure_of
from fedleak.contracts.chain import Chain
from fedleak.defenses.top_k import TopK
from fedleak.statistics.group import group_rows
from fedleak.statistics.summary import summarize

SPARSE = Chain((TopK(fraction=0.1),))


@pytest.fixture
def exposed(make_result):
    """The exposure past 20 of rows; the attack called `knows` knows the defense."""

    def made(*rows, chain=SPARSE):
        summaries = summarize(rows)
        adaptive = next((one for one in summaries if one.group.attack == "knows"), None)
        result = make_result("sparse", *summaries, accuracy=0.9, chain=chain, adaptive=adaptive)
        return exposure_of(result, group_rows(rows), 20.0)

    return made


def test_the_samples_of_several_attackers_are_the_same_samples(make_row, exposed):
    knows = [make_row(5.0, 25.0, seed=seed, attack="knows") for seed in range(2)]
    found = exposed(*knows, make_row(22.0, 7.0, seed=0), make_row(3.0, 4.0, seed=1))
    assert (found.values, found.past) == ((22.0, 25.0, 5.0, 25.0), (True, True, False, True))
    assert (found.count, found.share, found.distinct_seeds, found.worst) == (3, 0.75, 2, 25.0)


def test_who_takes_no_notice_speaks_against_a_defense_and_never_for_it(make_row, exposed):
    knows = make_row(5.0, math.nan, seed=0, attack="knows", value=5.0)
    found = exposed(knows, make_row(6.0, 7.0, seed=0), make_row(8.0, 30.0, seed=1))
    assert (found.values, found.past) == ((6.0, 7.0, 30.0), (False, False, True))
    assert len(exposed(make_row(8.0, 30.0, seed=1), chain=Chain()).values) == 2


def test_what_who_knows_the_defense_has_no_figure_of_may_have_leaked(make_row, exposed):
    clean = [make_row(5.0, seed=seed, attack="knows") for seed in range(10)]
    partly = make_row(5.0, math.nan, seed=10, attack="knows", value=5.0)
    failed = make_row(seed=11, attack="knows", samples=2)
    unfit = make_row(seed=12, attack="knows", samples=2, applicable=False)
    found = exposed(*clean, partly, failed, unfit)
    assert (len(found.past), found.count, sum(found.open)) == (14, 0, 3)
    assert found.at_most > exposed(*clean).at_most
    assert found.failures == {"knows has no figure (it raised)": 1}
    assert found.worst == 5.0


def test_what_was_proved_leaked_whatever_the_figure(make_row, exposed):
    assert exposed(make_row(5.0, attack="knows", certified=True)).past == (True,)


def test_exactly_the_limit_is_not_past_it_and_less_leaks_more_of_some_metrics(make_row, exposed):
    assert exposed(make_row(20.0, attack="knows")).count == 0
    error = {"metric": "mse", "unit": "squared intensity", "higher_is_better": False}
    found = exposed(make_row(19.0, 21.0, attack="knows", **error), make_row(30.0, 30.0, **error))
    assert (found.past, found.worst) == ((True, False), 19.0)


def test_the_limit_and_what_is_needed_are_counted_by_seeds(make_row, exposed):
    rows = [make_row(*[5.0] * 8, seed=seed, client=client, attack="knows") for seed in range(10) for client in range(2)]
    found = exposed(*rows)
    assert (len(found.past), found.at_most) == (160, pytest.approx(1 - 0.025 ** (1 / 10)))
    assert found.needed(0.05) == 72
    leaked = exposed(*rows, make_row(*[50.0] * 8, seed=10, attack="knows"))
    assert leaked.needed(0.05) == 110
    assert exposed().at_most == 1.0


def test_of_a_model_the_samples_are_the_classes_that_were_asked_about(make_row, exposed):
    asked = {"metric": "recognised", "client": "model", "attack": "knows", "samples": 1079, "baseline": 0.0,
             "no_access": 0.0, "unit": "share of classes"}  # fmt: skip
    found = exposed(make_row(1.0, 0.0, seed=0, **asked), make_row(0.0, 0.0, seed=1, **asked))
    assert (found.values, sum(found.open)) == ((1.0, 0.0, 0.0, 0.0), 0)
    failed = exposed(make_row(1.0, 0.0, seed=0, **asked), make_row(seed=1, **asked))
    assert (len(failed.past), sum(failed.open)) == (4, 2)


@pytest.mark.parametrize("metric", ["exposure", "share-error"])
def test_a_secret_or_a_question_is_one_sample_however_many_examples_there_are(make_row, exposed, metric):
    asked = {"metric": metric, "client": "model", "attack": "knows", "samples": 648}
    found = exposed(make_row(30.0, seed=0, **asked), make_row(seed=1, **asked))
    assert (len(found.values), sum(found.open)) == (2, 1)
