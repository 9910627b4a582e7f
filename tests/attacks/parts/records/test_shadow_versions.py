"""Ratios of several versions: of one it is LiRA's, and each is by shadows of its own round."""

from dataclasses import replace

import pytest
import torch

from fedleak.attacks.parts.records.shadow_scores import likelihood_ratio, log_odds, scores_of
from fedleak.attacks.parts.records.shadow_versions import ratios_of_versions
from fedleak.contracts.attack import attacks
from fedleak.contracts.shadows import ShadowBank
from fedleak.learning.training import LocalTraining
from fedleak.randomness import generator

TRAINING = LocalTraining(batch_size=10, batches=4, epochs=15, learning_rate=0.1, momentum=0.9)


def views(overfit, release, batch_of, bank=None):
    task, candidates = overfit
    known = {"training": TRAINING, "num_examples": 40, "auxiliary": batch_of(task, 60, 9), "candidates": candidates}
    known |= {} if bank is None else {"shadows": bank}
    first = release(task, **known)
    return replace(first, round=3, earlier=(replace(first, candidates=None),))


@pytest.mark.slow
def test_of_one_version_it_is_the_ratio_of_lira(overfit, release, batch_of) -> None:
    view = views(overfit, release, batch_of)
    odds = log_odds(scores_of(view.task, view.weights, view.candidates), view.candidates)
    for online in (True, False):
        (one,) = ratios_of_versions(view, view.candidates, 1, 8, online=online)
        assert torch.allclose(one, likelihood_ratio(view, view.candidates, odds, 8, online=online))


@pytest.mark.slow
def test_shadows_go_on_from_one_release_to_the_next(overfit, release, batch_of) -> None:
    asked = []

    class Bank(ShadowBank):
        def trained(self, one):
            asked.append(one)
            return one.trained()

    view = views(overfit, release, batch_of, Bank())
    first, second = ratios_of_versions(view, view.candidates, 2, 8, online=True)
    assert [one.rounds for one in asked] == [1, 2]
    assert torch.equal(asked[0].shares, asked[1].shares)
    assert all(torch.equal(value, asked[0].trained()[name]) for name, value in asked[1].start.items())
    attack = attacks.build("lira", {"versions": 2, "shadows": 8})
    assert attack.requires == {"candidates", "earlier"}
    assert torch.equal(attack.run(view, generator(0)).membership, (first + second).float())


@pytest.mark.slow
def test_members_are_told_from_others(overfit, release, batch_of, told_apart) -> None:
    view = views(overfit, release, batch_of)
    assert told_apart(attacks.build("lira", {"versions": 2, "shadows": 16}).run(view, generator(0))) > 0.9
