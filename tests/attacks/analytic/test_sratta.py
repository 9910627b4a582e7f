"""Examples read off sums and told apart by client, under secure aggregation."""

import math

import pytest
import torch

from fedleak.api import Capture, attack, capture, score
from fedleak.contracts.attack import attacks
from fedleak.randomness import generator


def federated(**settings):
    return capture(
        "digits-mlp",
        defense=[{"use": "secure-aggregation"}],
        clients=4,
        rounds=6,
        seed=3,
        partitioner="SizePartitioner",
        partitioner_options={"partition_sizes": [4] * 4},
        **{"strategy_options": {"fraction_train": 0.75}, "batch_size": 2, "batches": "all", **settings},
    )


@pytest.fixture(scope="module")
def captures() -> list[Capture]:
    """Four clients of four images each, of which three take part in a round, in two local steps."""
    return federated()


def figure(captured: Capture, name: str = "sratta"):
    return score(attack(captured, name), captured, ["psnr"])[0]


def values(captured: Capture) -> list[float]:
    return [value for value in figure(captured).per_sample if not math.isnan(value)]


def test_it_guesses_images_and_wants_other_messages():
    sratta = attacks.build("sratta", {})
    assert (sratta.requires, sratta.targets) == ({"others"}, {"inputs"})


@pytest.mark.slow
def test_a_masked_client_s_examples_are_found_and_are_its_own(captures):
    masked = [one for one in captures[-4:] if one.observation.masked]
    assert len(masked) == 3
    for one in masked:
        assert len(values(one)) >= 1
        assert min(values(one)) > 60


def test_of_a_sum_everybody_s_are_found_more_than_one_round_gives(captures):
    found = values(captures[-1])
    assert min(found) > 60
    alone = attacks.build("sratta", {}).run(captures[-1].observation, generator(0))
    assert len(found) > len(alone.inputs)


@pytest.mark.slow
def test_where_all_take_part_in_every_round_nobody_is_named():
    everybody = federated(strategy_options={}, batch_size=4)
    *masked, aggregate = everybody[-5:]
    assert min(values(aggregate)) > 60
    for one in masked:
        assert math.isnan(figure(one).value)
        assert "none is this client's alone" in figure(one).reason


def test_the_first_round_names_nobody(captures):
    for one in captures[:3]:
        assert math.isnan(figure(one).value)


def test_it_says_how_many_have_an_owner(captures):
    note = attack(captures[-1], "sratta").note
    assert "examples recovered from 6 sums" in note
    assert "with their owner" in note


def test_it_needs_a_linear_first_layer(smooth_task, observe, batch_of):
    guess = attacks.build("sratta", {}).run(observe(smooth_task, batch_of(smooth_task, 1)), generator(0))
    assert "not linear" in guess.failure


def test_one_client_s_message_is_a_sum_of_one(linear_task, observe, batch_of):
    batch = batch_of(linear_task, 1)
    guess = attacks.build("sratta", {}).run(observe(linear_task, batch), generator(0))
    assert torch.allclose(guess.inputs, batch.inputs, atol=1e-4)
