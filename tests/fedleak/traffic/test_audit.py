"""An audit has every attack that asked, with every detector there is, and makes benign users but once for a model."""

from dataclasses import replace

import pytest
import torch

from fedleak.defenses.query_outliers import QueryOutliers
from fedleak.traffic import audit as module
from fedleak.traffic.audit import USERS, Known, audit
from fedleak.traffic.benign_users import BenignUsers


@pytest.fixture(scope="module")
def audited(watched):
    return audit(watched)


def by_name(audited):
    return {one.attack: one for one in audited.traffic}


def test_each_attack_is_judged_by_each_detector(audited):
    assert list(by_name(audited)) == ["usual", "noise", "steps", "few"]
    for one in audited.traffic:
        assert [found.detector for found in one.detections] == ["prada", "query-outliers"]
        assert (one.cells, one.refused) == (5, 0.0)
    assert {name: one.queries for name, one in by_name(audited).items()} == {
        "usual": 179, "noise": 400, "steps": 400, "few": 5,
    }  # fmt: skip


def test_enough_benign_users_are_there_to_find_1_in_100(audited):
    assert all(one.detections[0].benign >= USERS >= 100 for one in audited.traffic)


def test_unsure_are_queries_of_which_the_model_is_less_sure_than_of_99_in_100_benign_ones(audited, cells):
    assert 0 < by_name(audited)["usual"].unsure.mean <= 0.01
    for kind, one in by_name(audited).items():
        shares = [
            (cell.log.probabilities.amax(1) < BenignUsers.of(cell).least_sure).double().mean() for cell in cells[kind]
        ]
        assert one.unsure.mean == pytest.approx(float(sum(shares)) / 5)


def test_an_attack_that_no_detector_sees_is_named(audited):
    unseen = {one.attack for one in audited.unseen}
    assert "noise" not in unseen
    assert "steps" not in unseen


def test_the_same_run_is_judged_the_same(watched, audited):
    few = [row for row in watched.rows if row.attack == "few"]
    (again,) = audit(replace(watched, rows=tuple(few))).traffic
    assert again == by_name(audited)["few"]


def test_users_of_a_model_are_made_once(cells, monkeypatch):
    made, make = [], module.trials_of_users
    monkeypatch.setattr(module, "trials_of_users", lambda *given: made.append(given) or make(*given))
    known, detector = Known(length=20), QueryOutliers()
    first, again = (known.trials_of(detector, cells[kind]) for kind in ("few", "noise"))
    assert torch.equal(first.scores, again.scores)
    assert [number for *_, number in made] == [USERS // 5] * 5
