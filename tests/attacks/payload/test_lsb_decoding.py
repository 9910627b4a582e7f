"""LSB decoding: payloads come out of averaging and of secure aggregation whole, and out of honest models not at all."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from fedleak.client_round import client_round
from fedleak.contracts.attack import attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import defenses
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.contracts.released import Released
from fedleak.contracts.tampered import Tampered, sent_parameters
from fedleak.contracts.tampering import Standing, Tampering, tamperings
from fedleak.defenses.secure_aggregation import SecureAggregation
from fedleak.learning.batch import Batch
from fedleak.learning.hidden import Hidden
from fedleak.learning.training import LocalTraining
from fedleak.learning.weights import Weights
from fedleak.randomness import generator
from fedleak.settings.federation import FederationSettings
from fedleak.tasks import initial_weights, task_of

TASK = task_of("digits-mlp")
ENCODING = tamperings.build("lsb-encoding", {"images": 12})
TRAINING = LocalTraining(batch_size=10, batches=2, learning_rate=0.1, momentum=0.9)
SHARES = [
    Batch((16 * torch.rand(size, 1, 8, 8, generator=generator("share", size))).round() / 16, torch.arange(size) % 10)
    for size in (20, 30, 25)
]
Mean = Callable[[Weights, Sequence[Weights]], Weights]


def standing(client: int) -> Standing:
    weight = len(SHARES[client]) / sum(map(len, SHARES))
    sent = sent_parameters(TASK, Chain())
    return Standing(task=TASK, share=SHARES[client], client=client, clients=3, weight=weight, sent=sent)


def in_float32(before: Weights, replies: Sequence[Weights]) -> Weights:
    """As Flower averages."""
    shares = [np.float32(len(share) / sum(map(len, SHARES))) for share in SHARES]
    mean = {
        name: torch.from_numpy(
            sum(share * one.parameters[name].numpy() for share, one in zip(shares, replies, strict=True))
        )
        for name in before.parameters
    }
    return Weights(mean, before.buffers)


def over_the_ring(before: Weights, replies: Sequence[Weights]) -> Weights:
    """As secure aggregation does, without its masks, which cancel."""
    protocol = SecureAggregation(keys="seeded").planned((FederationSettings(clients=3),))
    vectors = [protocol.vector(before, one, len(share), 3) for one, share in zip(replies, SHARES, strict=True)]
    return before.like(protocol.opened(np.sum(vectors, axis=0, dtype=vectors[0].dtype)).state(before))


def released(*does: Tampering, mean: Mean = in_float32, chain: Chain | None = None) -> Released:
    weights, chain = initial_weights("digits-mlp", 0), chain or Chain()
    for round in range(3):
        replies = []
        for client, share in enumerate(SHARES):
            tampered = Tampered(does=does, standing=standing(client))
            key = ("client", client, round)
            replies.append(client_round(TASK, weights, share, TRAINING, chain, key, None, tampered).weights)
        weights = mean(weights, replies)
    return Released(task=TASK, weights=weights, cohort=(0, 1, 2), tampering=(ENCODING,), defense=chain)


def read(view: Released) -> Reconstruction:
    return attacks.build("lsb-decoding", {}).run(view, generator(0))


def hidden() -> list[Hidden]:
    found = [ENCODING.hidden(standing(client)) for client in range(3)]
    return [one for one in found if one is not None]


def right(guess: Reconstruction) -> float:
    """The share of bits of payloads that are right."""
    assert guess.payload_bits is not None
    true = torch.stack([one.bits for one in hidden() if one.bits is not None])
    return float((guess.payload_bits.bool() == true).double().mean())


@pytest.mark.parametrize("mean", [in_float32, over_the_ring])
def test_every_example_comes_out_of_averaging(mean: Mean) -> None:
    guess = read(released(ENCODING, mean=mean))
    assert guess.payload is not None
    exact = torch.stack([one.exact for one in hidden() if one.exact is not None])
    assert torch.equal(guess.payload, exact)
    assert right(guess) == 1.0
    assert guess.note is not None
    assert "0 of 12 blocks have more errors" in guess.note


def test_an_honest_model_has_half_of_the_bits_and_no_example() -> None:
    guess = read(released())
    assert right(guess) == pytest.approx(0.5, abs=0.02)
    assert guess.payload is not None
    assert guess.payload.isnan().all()


def test_rounding_to_eight_bits_of_mantissa_leaves_nothing() -> None:
    view = released(ENCODING)
    rounded = {name: value.to(torch.bfloat16).float() for name, value in view.weights.parameters.items()}
    guess = read(replace(view, weights=Weights(rounded, view.weights.buffers)))
    assert guess.payload is not None
    assert guess.payload.isnan().all()
    assert right(guess) == pytest.approx(0.5, abs=0.05)


def test_noise_in_updates_leaves_nothing() -> None:
    """Defenses act on the tampered update."""
    guess = read(released(ENCODING, chain=Chain((defenses.build("gaussian-noise", {"std": 0.01}),))))
    assert guess.payload is not None
    assert guess.payload.isnan().all()


def test_where_nobody_wrote_there_is_nothing_to_read() -> None:
    guess = read(replace(released(), tampering=()))
    assert guess.failure == "nobody wrote into the lowest bits: set adversary.does, with lsb-encoding"
