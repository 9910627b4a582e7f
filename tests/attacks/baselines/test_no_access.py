"""Guessing public examples drawn at random."""

from dataclasses import replace

import torch

from fedleak.contracts.attack import attacks
from fedleak.randomness import generator


def guess(observation, seed=0):
    return attacks.build("no-access", {}).run(observation, generator(seed))


def test_it_draws_public_examples_with_their_labels(linear_task, observe, batch_of):
    public = batch_of(linear_task, 50, seed=1)
    drawn = guess(observe(linear_task, batch_of(linear_task, 6)).with_auxiliary(public))
    assert len(drawn.inputs) == len(drawn.labels) == 6
    for image, label in zip(drawn.inputs, drawn.labels, strict=True):
        places = torch.nonzero((public.inputs == image).flatten(1).all(1)).flatten().tolist()
        assert [public.labels[place] for place in places] == [label]


def test_it_ignores_the_update_and_follows_the_dice(linear_task, observe, batch_of):
    public = batch_of(linear_task, 50, seed=1)
    one, two = (observe(linear_task, batch_of(linear_task, 6, seed)).with_auxiliary(public) for seed in (2, 3))
    assert torch.equal(guess(one).inputs, guess(two).inputs)
    assert not torch.equal(guess(one, 0).inputs, guess(one, 1).inputs)


def test_every_public_example_is_drawn_as_often(linear_task, observe, batch_of):
    public = batch_of(linear_task, 2, seed=1)
    drawn = guess(observe(linear_task, batch_of(linear_task, 400)).with_auxiliary(public))
    firsts = int((drawn.inputs == public.inputs[0]).flatten(1).all(1).sum())
    assert 150 < firsts < 250  # five standard deviations of a fair coin


def test_without_public_data_there_is_no_guess(linear_task, observe, batch_of):
    observation = observe(linear_task, batch_of(linear_task, 2))
    assert "no public examples" in guess(observation).failure
    assert "no public examples" in guess(observation.with_auxiliary(batch_of(linear_task, 0))).failure


def test_of_several_things_it_is_asked_each_is_guessed_from_the_same_draw(linear_task, observe, batch_of):
    public = batch_of(linear_task, 50, seed=1)
    observation = observe(linear_task, batch_of(linear_task, 6)).with_auxiliary(public)
    asked = replace(observation, classes=(3, 1), candidates=public)
    alone, together = guess(observation), guess(asked)
    assert torch.equal(alone.inputs, together.inputs)
    assert torch.equal(alone.labels, together.labels)
    assert together.guesses.keys() == {*alone.guesses, "membership", "representatives"}
    for label, image in zip(asked.classes, together.representatives, strict=True):
        assert any(torch.equal(image, own) for own in public.inputs[public.labels == label])
