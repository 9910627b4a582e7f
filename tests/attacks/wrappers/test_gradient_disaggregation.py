"""Secure aggregation over several rounds: whom the server singles out of the sums it is meant to see, and whom not."""

import math
from dataclasses import replace

import pytest
import torch

from fedleak.api import Capture, attack, capture, score
from fedleak.contracts.attack import attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import defenses
from fedleak.randomness import generator

INNER = {"use": "analytic-linear"}
DEFENSES = (("secure-aggregation", {}), ("top-k", {"fraction": 0.2}))
SHARES = {"partitioner": "SizePartitioner", "batches": "all"}
"""The same few examples in every round."""


def federated(task="digits-mlp", sizes=(1, 1, 1), rounds=6, learning_rate=1e-4, **settings):
    """A federation under secure aggregation in which all but one take part in each round."""
    clients = len(sizes)
    return capture(
        task,
        defense=[{"use": "secure-aggregation"}],
        clients=clients,
        rounds=rounds,
        seed=11,
        learning_rate=learning_rate,
        strategy_options={"fraction_train": (clients - 1) / clients + 1e-6},
        partitioner_options={"partition_sizes": list(sizes)},
        **{**SHARES, **settings},
    )


@pytest.fixture(scope="module")
def still() -> list[Capture]:
    """The model hardly moves."""
    return federated()


def psnr(captured: Capture, inner=INNER, **options: object) -> tuple[float, str | None]:
    figure = score(attack(captured, "gradient-disaggregation", attack=inner, **options), captured, ["psnr"])[0]
    return figure.value, figure.reason


def test_it_wants_other_messages_and_guesses_what_its_attack_does():
    wrapper = attacks.build("gradient-disaggregation", {"attack": {"use": "update-cosine"}})
    assert wrapper.requires == {"others", "candidates"}
    assert wrapper.targets == {"membership"}
    assert attacks.build("gradient-disaggregation", {"attack": INNER}).targets == {"inputs", "labels"}


def test_it_takes_account_of_secure_aggregation_and_of_what_its_attack_does():
    secure, sparse = (Chain((defenses.build(name, options),)) for name, options in DEFENSES)
    ignorant = attacks.build("gradient-disaggregation", {"attack": INNER})
    knowing = attacks.build("gradient-disaggregation", {"attack": {"use": "inverting-gradients"}})
    assert ignorant.adapts_to(secure)
    assert not ignorant.adapts_to(sparse)
    assert knowing.adapts_to(sparse)
    assert attacks.build("sratta", {}).adapts_to(secure)


def test_masked_clients_and_the_sum_are_inverted_once_cohorts_have_overlapped(still):
    last = [one for one in still if one.observation.round == 6]
    assert len(last) == 3
    for one in last:
        value, reason = psnr(one)
        assert value > 60
        assert reason is None


def test_a_masked_message_comes_with_the_sums_of_its_round_and_of_earlier_ones(still):
    masked = next(one for one in still if one.observation.round == 3)
    sums = [other for other in masked.others if not other.masked]
    assert masked.observation.masked
    assert [other.round for other in sums] == [1, 2, 3]
    assert all(len(other.cohort) == 2 for other in sums)


def test_in_the_first_round_there_is_nothing_to_compare(still):
    for one in still[:3]:
        value, reason = psnr(one)
        assert math.isnan(value)
        assert "no two sums differ by" in reason
        assert "record more of them" in reason


@pytest.mark.slow
def test_equal_cohorts_give_nobody_away():
    everybody = capture("digits-mlp", defense=[{"use": "secure-aggregation"}], clients=3, rounds=3, learning_rate=1e-4)
    for one in everybody[-4:]:
        value, reason = psnr(one)
        assert math.isnan(value)
        assert "no two sums differ by" in reason
        assert "nor do other combinations of the sums" in reason


@pytest.mark.slow
def test_the_more_the_model_moves_the_worse_is_the_guess(still):
    means = []
    for moving in (still, federated(learning_rate=0.01), federated(learning_rate=0.3)):
        means.append(sum(psnr(one)[0] for one in moving[-3:]) / 3)
    assert means == sorted(means, reverse=True)
    assert means[-1] < means[0] - 20


def test_the_guess_says_how_the_client_was_found(still):
    guess = attack(still[-2], "gradient-disaggregation", attack=INNER)
    client = still[-2].observation.cohort[0]
    assert guess.note.startswith(f"client {client} by least squares over rounds")


@pytest.mark.slow
def test_of_a_sum_as_many_clients_are_attacked_as_parts_allow(still):
    aggregate = still[-1]
    assert len(attack(aggregate, "gradient-disaggregation", attack=INNER).inputs) == 2
    one = attack(aggregate, "gradient-disaggregation", attack=INNER, parts=1)
    figure = score(one, aggregate, ["psnr"])[0]
    assert len(one.inputs) == 1
    assert "1 of 2 samples had no usable guess" in figure.reason
    assert sum(math.isnan(value) for value in figure.per_sample) == 1


def test_a_message_in_clear_goes_to_the_attack_as_it_is(linear_task, observe, batch_of):
    seen = observe(linear_task, batch_of(linear_task, 1))
    wrapper, plain = attacks.build("gradient-disaggregation", {"attack": INNER}), attacks.from_table(INNER)
    assert torch.equal(wrapper.run(seen, generator(0)).inputs, plain.run(seen, generator(0)).inputs)


def test_the_truth_plays_no_part(still):
    """The guess is made of the observations alone: with no truth at hand it is the same."""
    known = still[-1]
    wrapper = attacks.build("gradient-disaggregation", {"attack": INNER})
    blind = wrapper.run(replace(known.observation, others=known.others), generator(0))
    assert torch.equal(blind.inputs, attack(known, "gradient-disaggregation", attack=INNER).inputs)


def test_where_the_attack_fails_on_all_its_reason_is_the_reason(still):
    value, reason = psnr(still[-1], {"use": "april"})
    assert math.isnan(value)
    assert reason.startswith("singled out, and then: ")
    assert "transformer" in reason


@pytest.mark.slow
def test_membership_is_joined_over_the_clients_of_a_sum(still):
    aggregate = still[-1]
    guess = attack(aggregate, "gradient-disaggregation", attack={"use": "update-cosine"})
    assert guess.membership.shape == (len(aggregate.challenge.candidates),)
    assert score(guess, aggregate, ["membership-auc"])[0].value > 0.95


@pytest.mark.slow
def test_a_photo_is_recovered_by_gradient_matching() -> None:
    photos = federated("photos-convnet", rounds=5)
    inner = {"use": "inverting-gradients", "steps": 200}
    assert all(psnr(one, inner)[0] > 25 for one in photos[-3:])
