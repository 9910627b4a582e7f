"""Attacks that stay below all detectors are named; where there is none, the one that is seen least."""

import math
from dataclasses import replace

import pytest

from fedleak.statistics.intervals import Interval
from fedleak.statistics.roc import Share
from fedleak.traffic.audit import Audit
from fedleak.traffic.unseen import blocked_in_words, unseen_in_words

pytestmark = pytest.mark.slow  # all are about the traffic of a whole run


@pytest.fixture(scope="module")
def noise(audited):
    return audited["noise"]


def caught(traffic, *shares, blocked=0):
    """The same attack, caught so often by each detector."""
    found = [
        replace(one, caught=Share(mean=share, interval=Interval(low=0.0, high=share + 0.1, method="by hand")),
                blocked=blocked)
        for one, share in zip(traffic.detections, shares, strict=True)
    ]  # fmt: skip
    return replace(traffic, detections=tuple(found))


def test_what_is_caught_no_more_often_than_benign_users_is_named(noise):
    quiet, loud = replace(caught(noise, 0.0, 0.01), attack="quiet"), caught(noise, 0.0, 1.0)
    words = unseen_in_words(Audit(traffic=(loud, quiet)))
    assert words.startswith("1 attack stays below all detectors: quiet (digits-mlp; none), of which")
    assert "prada catches 0.00 (95%: at most 0.10) of its accounts and query-outliers catches 0.01" in words
    assert "noise" not in words


def test_of_many_those_that_ask_most_are_named(noise):
    quiet = caught(noise, 0.0, 0.0)
    words = unseen_in_words(Audit(traffic=tuple(replace(quiet, attack=f"a{n}", queries=float(n)) for n in range(9))))
    assert words.startswith("9 attacks stay below all detectors: a8 (")
    assert words.endswith("; 5 more that ask no more than these.")
    assert "a4 (" not in words


def test_without_one_the_least_seen_is_named_by_what_catches_it_best(noise):
    words = unseen_in_words(Audit(traffic=(caught(noise, 0.0, 0.6), replace(caught(noise, 0.5, 0.5), attack="even"))))
    assert words.startswith("No attack stays below all detectors; the least seen is even (digits-mlp; none)")


def test_who_is_blocked_as_a_user_is_seen_and_who_has_a_query_refused_need_not_be(noise):
    users, queries = caught(noise, 0.0, 0.0, blocked=1).detections
    assert not users.unseen
    assert queries.unseen


def test_what_is_seen_by_being_blocked_alone_says_so(noise):
    words = unseen_in_words(Audit(traffic=(caught(noise, 0.0, 0.0, blocked=1),)))
    assert words.startswith("No attack stays below all detectors; the least seen is noise (digits-mlp; none)")
    assert words.endswith(f"; as it is by default prada blocks 1 of {noise.cells}.")


def test_never_is_said_where_half_or_more_are_never_blocked(noise):
    one = noise.detections[0]
    assert blocked_in_words(replace(one, blocked_after=math.inf)) == "never"
    assert blocked_in_words(replace(one, blocked_after=1234.0)) == "1,234"
