"""Detection: the same traffic is told by a coin, curves are scikit-learn's, and blocking is the defense's own."""

import math
from functools import cache

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score, roc_curve

from fedleak.contracts.chain import Chain
from fedleak.defenses.prada import Prada
from fedleak.defenses.query_outliers import QueryOutliers
from fedleak.metrics.placement import Placement
from fedleak.recording.files import read_recording
from fedleak.serving.served_model import ServedModel
from fedleak.statistics.intervals import clopper_pearson
from fedleak.traffic.benign_users import BenignUsers
from fedleak.traffic.detection import FALSE_ALARMS, detection_of
from fedleak.traffic.trials import joined, trials_of_log, trials_of_users

USERS = 20
DETECTORS = pytest.mark.parametrize("detector", [Prada(), QueryOutliers()], ids=lambda one: one.name)


@pytest.fixture(scope="module")
def judged(cells):
    """What a detector makes of a kind of traffic, and the scores of both sides."""

    @cache
    def made(detector, kind):
        users = [BenignUsers.of(cell) for cell in cells[kind]]
        benign = joined([trials_of_users(detector, own, USERS, len(own)) for own in users])
        own = [trials_of_log(detector, cell.log, one) for cell, one in zip(cells[kind], users, strict=True)]
        return detection_of(detector, cells[kind], users, benign), own, benign

    return made


@DETECTORS
def test_identical_traffic_is_told_no_better_than_by_a_coin(judged, detector):
    found, _, _ = judged(detector, "usual")
    assert found.auc.interval.low <= 0.5 <= found.auc.interval.high
    assert found.caught.interval.low <= FALSE_ALARMS <= found.caught.interval.high


@pytest.mark.parametrize("kind", ["noise", "steps"])
@DETECTORS
def test_the_roc_is_scikit_learn_s(judged, detector, kind):
    found, own, benign = judged(detector, kind)
    attack = np.concatenate([one.scores.numpy() for one in own])  # as many of each cell: the mean of means is theirs
    usual = benign.scores[:, -1].numpy() if detector.judges == "users" else benign.scores.numpy()
    truth, scores = np.repeat([1, 0], [len(attack), len(usual)]), np.concatenate([attack, usual])
    false, true, _ = roc_curve(truth, scores, drop_intermediate=False)
    placed = Placement.of(torch.from_numpy(attack), torch.from_numpy(usual))
    for rate in np.unique(false)[1:]:
        # Of attacks between two benign scores their curve takes all at once: the corner below is the same.
        assert float(placed.found_at(rate).mean()) == pytest.approx(true[false == rate].min())
    assert found.auc.mean == pytest.approx(roc_auc_score(truth, scores))
    assert [found.caught.mean, *(caught for _, caught in found.curve)] == pytest.approx(
        [float(placed.found_at(rate).mean()) for rate in (FALSE_ALARMS, *(rate for rate, _ in found.curve))]
    )


def test_noise_is_an_outlier_and_regular_steps_are_no_users(judged):
    noise, steps = judged(QueryOutliers(), "noise")[0], judged(Prada(), "steps")[0]
    assert noise.caught.mean == noise.auc.mean == 1.0
    assert steps.caught.mean > 0.9
    assert steps.blocked == 5
    assert not noise.unseen
    assert not steps.unseen


def test_who_asks_less_than_a_detector_judges_by_is_as_suspicious_as_anybody(judged):
    found, _, _ = judged(Prada(), "few")
    assert found.length == (5, 5)
    assert (found.caught.mean, found.auc.mean) == (pytest.approx(FALSE_ALARMS), 0.5)
    assert (found.blocked_after, found.blocked, found.unseen) == (math.inf, 0, True)


@pytest.mark.parametrize("kind", ["noise", "steps", "few"])
@DETECTORS
def test_it_blocks_when_a_service_with_the_detector_would(judged, cells, detector, kind):
    found, _, _ = judged(detector, kind)
    first = []
    for cell in cells[kind]:
        released, users = read_recording(cell.model).released(), BenignUsers.of(cell)
        service = ServedModel(
            released.task, released.weights, queries=400, chain=Chain((detector,)), benign=users.learnt
        )
        refused = service.ask(cell.log.inputs).isnan().any(1)
        first.append(float(torch.nonzero(refused)[0]) + 1 if refused.any() else math.inf)
    assert found.blocked_after == np.median(first)
    assert found.blocked == sum(map(math.isfinite, first))


@pytest.mark.parametrize("share", [0.01, 0.1])
def test_benign_queries_raise_about_the_false_alarms_that_are_allowed(judged, share):
    found, _, benign = judged(QueryOutliers(false_alarms=share), "usual")
    refused = benign.refused[:179]  # the same images are asked of each model
    assert clopper_pearson(float(refused.sum()), len(refused), "queries").low <= share
    assert found.false_alarms == pytest.approx(float(refused.double().mean()))
