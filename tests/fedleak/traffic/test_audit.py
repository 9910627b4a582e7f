"""An audit has every attack that asked, with every detector there is, and makes benign users but once for a model."""

from dataclasses import replace

import pytest
import torch

from fedleak import progress
from fedleak.defenses.query_outliers import QueryOutliers
from fedleak.traffic import audit as module
from fedleak.traffic.audit import USERS, Audit, Known, audit

pytestmark = pytest.mark.slow  # all are about the traffic of a whole run


def test_each_attack_is_judged_by_each_detector(audited):
    assert list(audited) == ["usual", "noise", "steps", "few"]
    for one in audited.values():
        assert [found.detector for found in one.detections] == ["prada", "query-outliers"]
        assert (one.cells, one.refused) == (5, 0.0)
    assert {name: one.queries for name, one in audited.items()} == {
        "usual": 179, "noise": 400, "steps": 400, "few": 5,
    }  # fmt: skip


def test_enough_benign_users_are_there_to_find_1_in_100(audited):
    assert all(one.detections[0].benign >= USERS >= 100 for one in audited.values())


def test_unsure_are_queries_of_which_the_model_is_less_sure_than_of_99_in_100_benign_ones(audited, cells, users_of):
    assert 0 < audited["usual"].unsure.mean <= 0.01
    for kind, one in audited.items():
        shares = [(cell.log.probabilities.amax(1) < users_of(cell).least_sure).double().mean() for cell in cells[kind]]
        assert one.unsure.mean == pytest.approx(float(sum(shares)) / 5)


def test_an_attack_that_no_detector_sees_is_named(audited):
    unseen = {one.attack for one in Audit(traffic=tuple(audited.values())).unseen}
    assert "noise" not in unseen
    assert "steps" not in unseen


def test_the_same_run_is_judged_the_same(watched, audited):
    few = [row for row in watched.rows if row.attack == "few"]
    (again,) = audit(replace(watched, rows=tuple(few))).traffic
    assert again == audited["few"]


def test_progress_is_told_from_the_first_detector_to_the_last(watched):
    rows = [row for row in watched.rows if row.attack in ("few", "usual") and row.seed == 1]
    told = []
    with progress.listening(lambda *step: told.append(step)):
        audit(replace(watched, rows=tuple(rows)))
    assert told == [(done, 6) for done in range(1, 7)], "two detectors on the users of one model and on two attacks"


def test_users_of_a_model_are_made_once(cells, monkeypatch):
    made, make = [], module.trials_of_users
    monkeypatch.setattr(module, "trials_of_users", lambda *given: made.append(given) or make(*given))
    known, detector = Known(length=20, steps=0), QueryOutliers()
    first, again = (known.trials_of(detector, cells[kind]) for kind in ("few", "noise"))
    assert torch.equal(first.scores, again.scores)
    assert [number for *_, number in made] == [USERS // 5] * 5
