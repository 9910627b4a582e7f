"""Sums over cohorts: who can be singled out, how, and how exactly."""

from dataclasses import replace

import pytest
import torch

from fedleak.attacks.parts.sums import Sums
from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import defenses
from fedleak.contracts.observation import Observation
from fedleak.errors import NotApplicable
from fedleak.learning.training import LocalTraining
from fedleak.learning.update import Update, UpdateKind
from fedleak.learning.weights import Weights
from fedleak.randomness import generator

SECURE = Chain((defenses.build("secure-aggregation", {}),))
COUNTS = {0: 1, 1: 2, 2: 3, 3: 4, 4: 5}
"""How many examples each client has."""


@pytest.fixture
def rounds(linear_task, observe, batch_of):
    """A function of the cohorts of some rounds: each client's update, and the sums, the last holding the others.

    `moved` is how far the model goes each round, `change` how much of that each client's update follows.
    """

    def held(cohorts, *, moved=0.0, change=0.0):
        clear = {client: observe(linear_task, batch_of(linear_task, n, seed=client)) for client, n in COUNTS.items()}
        own = {client: message.update.vector().double() for client, message in clear.items()}
        sums: list[Observation] = []
        for number, cohort in enumerate(cohorts, start=1):
            examples, now = sum(COUNTS[one] for one in cohort), clear[0]
            drift = {one: torch.randn(len(own[0]), generator=generator(number, one)).double() for one in cohort}
            total = sum(COUNTS[one] * (own[one] + change * moved * number * drift[one]) for one in cohort)
            before = {name: value + moved * number for name, value in now.before.parameters.items()}
            sums.append(
                replace(
                    now,
                    before=Weights(before, now.before.buffers),
                    update=now.update.with_vector((total / examples).float()),
                    cohort=cohort,
                    round=number,
                    num_examples=examples,
                    defense=SECURE,
                )
            )
        return own, replace(sums[-1], others=tuple(sums[:-1]))

    return held


def singled_out(observation, *cohort):
    sums = Sums.around(observation)
    factors = sums.combination(cohort)
    return None if factors is None else sums.observation(cohort, factors)


@pytest.mark.parametrize(
    ("cohorts", "client"),
    [
        ([(0, 1), (0, 1, 2)], 2),  # a difference
        ([(0, 1, 2), (0, 1)], 2),  # the other way round
        ([(0, 1), (1, 2), (0, 2)], 0),  # half the sum of two without the third
        ([(0, 1, 2, 3), (0, 1), (2,)], 3),
        ([(0, 1, 2), (0, 1, 3), (0, 2, 3), (1, 2, 3)], 3),
        ([(0, 1, 3, 4), (3, 4), (1, 2), (0, 1, 2)], 0),
    ],
)
def test_a_client_in_the_row_space_is_exact_where_nothing_moved(rounds, cohorts, client):
    own, observation = rounds(cohorts)
    alone = singled_out(observation, client)
    assert (alone.update.vector() - own[client]).norm() < 1e-5 * own[client].norm()
    assert (alone.cohort, alone.num_examples, alone.masked, alone.buffers_after) == (
        (client,),
        COUNTS[client],
        False,
        None,
    )
    assert alone.defense == Chain()


@pytest.mark.parametrize("cohorts", [[(0, 1)], [(0, 1), (1, 2)], [(0, 1), (2, 3)], [(0, 1, 2)] * 3])
def test_where_no_combination_singles_a_client_out_there_is_none(rounds, cohorts):
    _, observation = rounds(cohorts)
    assert all(singled_out(observation, client) is None for client in COUNTS)
    assert not [*Sums.around(observation).parts(1)]


@pytest.mark.slow
def test_every_client_is_singled_out_exactly_where_linear_algebra_says(rounds):
    """By the rank of the participation matrix with the client's own row put below it."""
    rng = generator("cohorts")
    for _ in range(20):
        drawn = (torch.rand(4, 5, generator=rng) < 0.6).double()
        drawn[:, 0] = 1.0
        _, observation = rounds([tuple(torch.nonzero(row).flatten().tolist()) for row in drawn])
        rank = torch.linalg.matrix_rank(drawn)
        for client in COUNTS:
            more = torch.cat([drawn, torch.eye(5, dtype=torch.float64)[client : client + 1]])
            possible = bool(torch.linalg.matrix_rank(more) == rank)
            assert (Sums.around(observation).combination((client,)) is not None) == possible


def test_a_small_set_is_singled_out_where_no_client_alone_is(rounds):
    own, observation = rounds([(0, 1), (0, 1, 2, 3)])
    sums = Sums.around(observation)
    assert [*sums.parts(1)] == []
    assert [*sums.parts(2)] == [(0, 1), (2, 3)]
    alone = singled_out(observation, 2, 3)
    mean = (COUNTS[2] * own[2] + COUNTS[3] * own[3]) / (COUNTS[2] + COUNTS[3])
    assert (alone.update.vector() - mean).norm() < 1e-5 * mean.norm()


def test_parts_are_disjoint_and_within_the_cohort(rounds):
    _, observation = rounds([(0, 1, 2), (0,), (0, 3, 4), (0, 1, 2, 3)])
    assert [*Sums.around(observation).parts(3)] == [(0,), (3,), (1, 2)]


def test_the_further_the_model_moved_the_further_off_is_the_update(rounds):
    errors = []
    for moved in (0.0, 1e-3, 1e-2, 1e-1):
        own, observation = rounds([(0, 1), (1, 2), (0, 2), (0, 1, 2)], moved=moved, change=1.0)
        errors.append(float((singled_out(observation, 0).update.vector() - own[0]).norm()))
    assert errors == sorted(errors)
    assert errors[-1] > 10 * errors[1]


def test_of_two_differences_that_of_the_nearer_models_counts(rounds):
    _, observation = rounds([(0, 1), (3,), (4,), (0, 1), (0, 1, 2)], moved=0.1)
    factors = Sums.around(observation).combination((2,))
    assert factors[4] == pytest.approx(1.0)
    assert -factors[3] > 10 * -factors[0] > 0
    assert factors.sum() == pytest.approx(0.0, abs=1e-6)


def test_noise_is_averaged_over_the_rounds_rather_than_left_in_the_nearest(rounds):
    _, observation = rounds([(0, 1), (0, 1, 2)] * 3, moved=1e-4)
    noisy = Chain((defenses.build("gaussian-noise", {"std": 0.1}), *SECURE))
    near, even = (Sums.around(one).combination((2,)) for one in (observation, replace(observation, defense=noisy)))
    assert near[1::2].max() > 0.99
    assert even[1::2].max() < 0.34


def test_masked_messages_and_those_that_say_nothing_are_left_out(rounds, with_update):
    _, observation = rounds([(0, 1), (0, 1, 2)])
    empty = with_update(observation.others[0], torch.zeros(len(observation.update.vector())))
    for other in (empty, replace(observation.others[0], masked=True)):
        assert len(Sums.around(replace(observation, others=(other,))).messages) == 1
    with pytest.raises(NotApplicable, match="no sum over a cohort was revealed"):
        Sums.around(replace(observation, masked=True, others=()))


def test_a_gradient_is_not_added_to_a_weight_difference(rounds):
    _, observation = rounds([(0, 1), (0, 1, 2)])
    other = observation.others[0]
    gradient = replace(other, update=Update(other.update.tensors, UpdateKind.GRADIENT))
    assert len(Sums.around(replace(observation, others=(gradient,))).messages) == 1


def test_counts_that_do_not_add_up_are_refused(rounds):
    _, observation = rounds([(0, 1), (0, 1, 2)])
    many = replace(observation.others[0], num_examples=90)
    with pytest.raises(NotApplicable, match="client 2 had -84 examples"):
        singled_out(replace(observation, others=(many,)), 2)


def test_a_whole_share_tells_the_batches_once_the_client_is_alone(rounds):
    _, observation = rounds([(0, 1), (0, 1, 4)])
    share = replace(observation, training=LocalTraining(batch_size=2, batches=None))
    assert singled_out(share, 4).training.batches == 3
    assert singled_out(observation, 4).training == observation.training
    assert singled_out(share, 0, 1).training.batches is None


def test_what_was_done_is_said(rounds):
    _, observation = rounds([(0, 1), (0, 1, 2)])
    sums = Sums.around(observation)
    factors = sums.combination((2,))
    assert sums.words((2,), factors, singled_out(observation, 2)).startswith("client 2 = round 2 - round 1 (the model")
    _, observation = rounds([(0, 1), (1, 2), (0, 2)])
    sums = Sums.around(observation)
    words = sums.words((2,), sums.combination((2,)), singled_out(observation, 2))
    assert words.startswith("client 2 by least squares over rounds 1, 2 and 3 (")
