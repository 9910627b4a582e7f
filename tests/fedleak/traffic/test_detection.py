"""Detection: the same traffic is told by a coin, curves are scikit-learn's, and blocking is the defense's own."""

import math
from dataclasses import replace
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
from fedleak.traffic import benign_users
from fedleak.traffic.detection import FALSE_ALARMS, detection_of
from fedleak.traffic.trials import joined, trials_of_log, trials_of_users

pytestmark = pytest.mark.slow  # all are about the traffic of a whole run

USERS = 20
OUTLIERS = QueryOutliers(trees=20)
DETECTORS = pytest.mark.parametrize("detector", [Prada(), OUTLIERS], ids=lambda one: one.name)


@pytest.fixture(scope="module")
def judged(cells, users_of):
    """What a detector makes of a kind of traffic, and the scores of both sides."""

    @cache
    def usual(detector):
        users = [users_of(cell) for cell in cells["usual"]]
        return joined([trials_of_users(detector, own, USERS, len(own)) for own in users])

    @cache
    def made(detector, kind):
        users = [users_of(cell) for cell in cells[kind]]
        own = [trials_of_log(detector, cell.log, one) for cell, one in zip(cells[kind], users, strict=True)]
        return detection_of(detector, cells[kind], users, usual(detector)), own, usual(detector)

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


def test_noise_is_an_outlier_and_regular_steps_are_no_users(audited):
    noise, steps = audited["noise"].detections[1], audited["steps"].detections[0]
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
def test_it_blocks_when_a_service_with_the_detector_would(judged, cells, users_of, detector, kind):
    found, _, _ = judged(detector, kind)
    first = []
    for cell in cells[kind]:
        released, users = read_recording(cell.recording).released(), users_of(cell)
        service = ServedModel(
            released.task, released.weights, queries=400, chain=Chain((detector,)), benign=users.learnt
        )
        refused = service.ask(cell.log.inputs).isnan().any(1)
        first.append(float(torch.nonzero(refused)[0]) + 1 if refused.any() else math.inf)
    assert found.blocked_after == np.median(first)
    assert found.blocked == sum(map(math.isfinite, first))


@pytest.mark.parametrize(("threshold", "blocked"), [(0.9, 0), (0.985, 3)])
def test_the_first_alarm_is_that_of_the_whole_log(cells, users_of, monkeypatch, threshold, blocked):
    detector, own, benign = Prada(threshold=threshold), cells["noise"], [users_of(cell) for cell in cells["noise"]]
    admitted = [detector.admits(cell.log.replayed(users.learnt)) for cell, users in zip(own, benign, strict=True)]
    first = [math.inf if some.all() else int((~some).int().argmax()) + 1 for some in admitted]
    monkeypatch.setattr(benign_users, "FIRST", 16)
    usual = joined([trials_of_users(detector, users, 1, len(users)) for users in benign])
    found = detection_of(detector, own, benign, usual)
    assert found.blocked_after == np.median(first)
    assert found.blocked == sum(map(math.isfinite, first)) == blocked


@pytest.mark.parametrize("share", [0.01, 0.1])
def test_benign_queries_raise_about_the_false_alarms_that_are_allowed(judged, share):
    found, _, benign = judged(replace(OUTLIERS, false_alarms=share), "usual")
    refused = benign.refused[:179]  # the same images are asked of each model
    assert clopper_pearson(float(refused.sum()), len(refused), "queries").low <= share
    assert found.false_alarms == pytest.approx(float(refused.double().mean()))
