import numpy as np
import pytest
import torch

from fedleak.contracts.chain import Chain
from fedleak.dp_audit.canaries import Canaries
from fedleak.dp_audit.example_canaries import ExampleCanaries
from fedleak.dp_audit.normal_scores import estimated_mu


def stepping(noise, *, share=3, batch=3, rounds=2, clients=4, **options):
    chain = Chain.build(({"use": "dp-sgd", "noise_multiplier": noise, "max_norm": 0.5},))
    canaries = Canaries(count=share, sizes=(16,), norm=8.0, seed=1, layout="apart")
    return ExampleCanaries(
        chain=chain, canaries=canaries, clients=clients, rounds=rounds, batch=batch, seed=0, **options
    )


def signed(one):
    found = []

    def heard(client, round, moved):
        signs = [one.sign(client, slot, round) for slot in range(one.canaries.count)]
        found.append(one.canaries.scores(moved).numpy() * signs)

    one.steps(heard)
    return np.array(found)


def test_each_example_of_a_batch_contributes_its_clipped_gradient():
    assert signed(stepping(0.0)) == pytest.approx(np.full((8, 3), 0.5), abs=1e-5)


def test_noise_is_that_of_the_defense():
    found = estimated_mu(signed(stepping(1.0, clients=30, rounds=8)).reshape(-1), 0.999)
    assert found.low < 2.0 < found.high


def test_what_is_not_drawn_contributes_nothing():
    one = stepping(0.0, share=4, batch=1, drawn=lambda client, round: torch.tensor([2]))
    assert signed(one) == pytest.approx(np.tile([0, 0, 0.5, 0], (8, 1)), abs=1e-5)


def test_a_steady_canary_keeps_its_sign():
    one = stepping(0.0, steady=True)
    assert all(one.sign(client, 0, 1) == one.sign(client, 0, 2) for client in range(20))
