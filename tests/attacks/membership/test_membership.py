"""Attacks that are asked about candidates: they find who was there where anybody could, and say why where not."""

from dataclasses import replace

import pytest
import torch

from fedleak.attacks.parts.records.losses import drops, weights_after
from fedleak.contracts.attack import attacks
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.learning.batch import joined
from fedleak.learning.training import LocalTraining
from fedleak.randomness import generator

NAMES = ("update-cosine", "loss-trajectory", "source-inference")


def infer(name, observation, **options) -> Reconstruction:
    return attacks.build(name, options).run(observation, generator(0))


def place_of_members(guess: Reconstruction, members: int) -> float:
    """The share of pairs in which a member scores higher than a stranger; members come first."""
    own, others = guess.membership[:members], guess.membership[members:]
    return float((own[:, None] > others[None]).float().mean())


@pytest.fixture
def asked(linear_task, observe, batch_of):
    """An update of four examples, those and forty strangers as candidates, and the messages of two other clients."""
    members, strangers = batch_of(linear_task, 4), batch_of(linear_task, 40, 1)
    others = [
        replace(observe(linear_task, batch_of(linear_task, 4, seed)), cohort=(client,))
        for client, seed in ((1, 7), (2, 8))
    ]
    own = observe(linear_task, members)
    public = batch_of(linear_task, 60, 3)
    return replace(own, candidates=joined([members, strangers]), others=tuple(others), auxiliary=public)


@pytest.mark.parametrize("name", NAMES)
def test_members_score_higher_than_strangers(name, asked):
    assert place_of_members(infer(name, asked), 4) > 0.7


def test_one_example_is_found_for_certain(linear_task, observe, batch_of):
    for seed in range(5):
        members, strangers = batch_of(linear_task, 1, seed), batch_of(linear_task, 50, seed + 100)
        observation = replace(observe(linear_task, members), candidates=joined([members, strangers]))
        assert int(infer("update-cosine", observation).membership.argmax()) == 0


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_the_candidates_does_not_matter(name, asked):
    order = torch.randperm(44, generator=generator(1))
    once, again = infer(name, asked), infer(name, replace(asked, candidates=asked.candidates[order]))
    assert torch.allclose(once.membership[order], again.membership, atol=1e-4)


def test_the_length_of_an_update_does_not_change_who_goes_best_with_it(asked):
    halved = replace(asked, update=asked.update.with_vector(asked.update.vector() / 2))
    once, again = (infer("update-cosine", one).membership for one in (asked, halved))
    assert torch.allclose(again, once / 2, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_without_candidates_there_is_a_reason(name, asked):
    assert "needs candidates" in infer(name, replace(asked, candidates=None)).failure


def test_a_source_needs_somebody_else(asked):
    assert "no message of another" in infer("source-inference", replace(asked, others=())).failure
    assert "masked" in infer("source-inference", replace(asked, masked=True)).failure
    masked = tuple(replace(one, masked=True) for one in asked.others)
    assert "no message of another" in infer("source-inference", replace(asked, others=masked)).failure


def test_a_source_is_taken_for_whose_loss_is_smallest(asked):
    own, *others = (weights_after(one) for one in (asked, *asked.others))
    task, candidates = asked.task, asked.candidates
    loss = [[float(task.loss(w, candidates[i].inputs, candidates[i].labels)) for w in (own, *others)]
            for i in torch.arange(10).split(1)]  # fmt: skip
    scores = infer("source-inference", asked).membership[:10]
    assert (scores > 0).tolist() == [one[0] < min(one[1:]) for one in loss]


def test_more_rounds_on_the_same_examples_tell_more(linear_task, observe, batch_of):
    members, strangers = batch_of(linear_task, 12), batch_of(linear_task, 60, 1)
    training = LocalTraining(batch_size=12, epochs=2)
    last = replace(observe(linear_task, members, training), candidates=joined([members, strangers]), round=3)
    noisy = replace(
        last,
        update=last.update.with_vector(last.update.vector() + _noise(last, 1)),
    )
    same = [replace(last, round=r, update=last.update.with_vector(last.update.vector() + _noise(last, r + 1)))
            for r in (1, 2)]  # fmt: skip
    alone, together = (infer("loss-trajectory", replace(noisy, others=others)) for others in ((), tuple(same)))
    assert place_of_members(together, 12) > place_of_members(alone, 12)


def _noise(observation, seed: int) -> torch.Tensor:
    vector = observation.update.vector()
    return 1.5 * vector.std() * torch.randn(vector.shape, generator=generator("noise", seed))


def test_a_drop_is_what_an_update_lowers_a_loss_by(asked):
    found = drops(asked, asked.candidates[torch.arange(4)])
    assert float(found.mean()) == pytest.approx(
        float(asked.task.loss(asked.before, *_pair(asked)) - asked.task.loss(weights_after(asked), *_pair(asked))),
        rel=1e-4,
    )
    assert found.mean() > 0


def _pair(asked):
    first = asked.candidates[torch.arange(4)]
    return first.inputs, first.labels


def test_blind_guesses_prefer_nobody_and_answer_by_what_is_common(asked):
    for name in ("prior", "no-access"):
        guess = infer(name, asked)
        assert guess.membership.unique().tolist() == [0.0]
        assert bool(((guess.properties[1:] > 0) & (guess.properties[1:] < 1)).all())
        assert infer(name, replace(asked, candidates=None)).membership is None


def test_an_attack_wants_what_the_one_within_it_wants():
    within = attacks.build("best-of", {"attack": {"use": "update-cosine"}})
    assert within.requires == {"candidates"}
    assert attacks.build("best-of", {"attack": {"use": "dlg"}}).requires == frozenset()
