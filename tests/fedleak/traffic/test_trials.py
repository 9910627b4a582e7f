"""Trials are streams as long as a benign user's where users are judged, and single queries elsewhere."""

import pytest
import torch

from fedleak.defenses.prada import Prada
from fedleak.defenses.query_outliers import QueryOutliers
from fedleak.traffic.trials import trials_of_log, trials_of_users


@pytest.fixture(scope="module")
def users(cells, users_of):
    return users_of(cells["usual"][0])


@pytest.mark.parametrize(("queries", "streams"), [(1, 1), (178, 1), (179, 1), (357, 1), (358, 2), (400, 2)])
def test_a_log_is_as_many_streams_as_it_fills(cells, users, queries, streams):
    assert len(trials_of_log(Prada(), cells["noise"][0].log[:queries], users).scores) == streams


@pytest.mark.slow
def test_single_queries_are_all_judged(cells, users):
    log = cells["noise"][0].log
    trials = trials_of_log(QueryOutliers(), log, users)
    assert torch.equal(trials.scores, QueryOutliers().score(log.replayed(users.learnt)))
    assert torch.equal(trials.refused, ~QueryOutliers().admits(log.replayed(users.learnt)))


def test_a_user_is_judged_by_the_most_suspicious_moment(cells, users):
    log = cells["steps"][0].log
    trials = trials_of_log(Prada(), log, users)
    for place, trial in enumerate(trials.scores):
        own = log[place * 179 : (place + 1) * 179].replayed(users.learnt)
        assert trial == Prada().score(own).max() > 0
        assert trials.refused[place] == (~Prada().admits(own)).any()


def test_the_state_of_a_benign_user_is_known_after_every_query(users):
    trials = trials_of_users(Prada(), users, 3, length=150)
    assert trials.scores.shape == trials.refused.shape == (3, 150)
    own = users.user(2)[:120].replayed(users.learnt)
    assert trials.scores[2, 119] == Prada().score(own).max()
    assert len(trials_of_users(QueryOutliers(), users, 3, length=150).scores) == 179
