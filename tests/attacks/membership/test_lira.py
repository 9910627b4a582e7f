"""LiRA: what tells members apart is how much surer a model is than models without the record."""

from dataclasses import replace

import pytest
import torch

from fedleak.contracts.attack import attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.shadows import ShadowBank
from fedleak.learning.stacked_defense import StackedDefense
from fedleak.learning.stacked_federations import StackedFederations
from fedleak.learning.training import LocalTraining, train_locally
from fedleak.learning.weights import Weights
from fedleak.randomness import generator

TRAINING = LocalTraining(batch_size=10, batches=4, epochs=30, learning_rate=0.1, momentum=0.9)
"""As `overfit` was trained, in a third of the epochs."""


def guess(view, **options):
    return attacks.build("lira", {"shadows": 24, **options}).run(view, generator(0))


@pytest.fixture
def view(overfit, release, batch_of):
    task, candidates = overfit
    known = {"training": TRAINING, "num_examples": 40, "auxiliary": batch_of(task, 80, 9)}
    return release(task, candidates=candidates, **known)


@pytest.mark.slow
def test_members_are_told_from_others(view, told_apart):
    assert told_apart(guess(view)) > 0.95
    assert told_apart(guess(view, online=False)) > 0.8


@pytest.mark.slow
def test_members_and_others_swapped_give_one_minus_the_figure(view):
    """Of the same candidates and the same shadows: a model that was trained on the last forty in place of the first."""
    others = view.candidates[torch.arange(60, 100)]
    long = replace(TRAINING, epochs=100)
    fresh = StackedFederations.drawn(view.task, others, long, federations=1, clients=1, examples=40, rounds=0).trained()
    start = Weights({name: value[0] for name, value in fresh.items()}, {})
    swapped = train_locally(view.task, start, others, long, ("swapped",))
    found = []
    for weights in (view.weights, swapped):
        score = guess(replace(view, weights=weights)).membership
        found.append(float((score[:40, None] > score[None, 60:]).double().mean()))
    assert found[0] > 0.9
    assert found[1] == pytest.approx(1 - found[0], abs=0.1)


@pytest.mark.slow
def test_of_a_model_that_none_of_them_trained_it_guesses(view, batch_of, told_apart):
    """The channel cut: a model of the adversary's own in the place of the released one."""
    own = StackedFederations.drawn(
        view.task, view.auxiliary, TRAINING, federations=12, clients=1, examples=40, rounds=1
    ).trained()
    found = []
    for place in range(12):
        weights = Weights({name: value[place] for name, value in own.items()}, {})
        cut = replace(view, weights=weights, candidates=batch_of(view.task, 100, 20 + place))
        found.append(told_apart(guess(cut, shadows=12)))
    assert sum(found) / 12 == pytest.approx(0.5, abs=0.06)


@pytest.mark.slow
def test_shadows_train_on_as_many_records_as_the_model_did_where_that_is_known(view):
    asked = []

    class Asked(ShadowBank):
        def trained(self, federations):
            asked.append(federations)
            return federations.trained()

    for known in (40, 30, None, 90):
        guess(replace(view, num_examples=known, cohort=(0, 1), round=1, shadows=Asked()))
    assert [int(one.trains_on.sum(1).unique()) for one in asked] == [40, 30, 50, 50]
    assert all(one.shares.shape[:2] == (24, 2) and one.rounds == 1 and one.training == TRAINING for one in asked)


def test_without_public_examples_there_is_no_offline_attack(view):
    assert "no public examples" in guess(replace(view, auxiliary=None), online=False).failure


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"),
    [("lira", {}), ("served-lira", {}), ("shadow-models", {}), ("boundary-distance", {"copies": 1})],
)
def test_shadows_are_trained_under_the_defenses_and_a_note_names_the_others(view, serve, name, options):
    asked = []

    class Asked(ShadowBank):
        def trained(self, federations):
            asked.append(federations)
            return federations.trained()

    under = {"use": "dp-sgd", "max_norm": 0.5, "noise_multiplier": 0.1}
    chain = Chain.build((under, {"use": "sign-sgd"}, {"use": "label-only"}))
    known = {"training": replace(TRAINING, epochs=1), "defense": chain, "shadows": Asked(), "auxiliary": view.auxiliary}
    seen = replace(view, **known) if name == "lira" else serve(view.task, 1000, candidates=view.candidates, **known)
    found = attacks.build(name, {"shadows": 4, **options}).run(seen, generator(0))
    assert found.note == "shadow models were trained without 'sign-sgd', which the observed model was trained under"
    assert [one.defenses for one in asked] == [(StackedDefense(example_norm=0.5, example_noise=0.05),)]
    seen = replace(seen, defense=Chain(chain.defenses[:1]))
    assert attacks.build(name, {"shadows": 4, **options}).run(seen, generator(0)).note is None
