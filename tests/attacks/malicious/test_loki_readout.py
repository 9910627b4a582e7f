"""Images of each client, read from a sum over kernel sets."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from fedleak.api import attack, capture
from fedleak.client_round import client_round
from fedleak.contracts.attack import attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.manipulation import Crafting, manipulations
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.errors import FederationError
from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.learning.update import Update, UpdateKind
from fedleak.randomness import generator, seeded
from fedleak.settings.federation import FederationSettings
from fedleak.tasks import weights_of


def images(count: int, seed: object) -> Batch:
    rng = generator("images", seed)
    return Batch(torch.rand(count, 1, 6, 6, generator=rng), torch.randint(4, (count,), generator=rng))


def planted_sum(clients: int = 3, batch: int = 6, sets: int = 3, bins: int = 128, seed: int = 0,
                chain: Chain | None = None, **facts: Any) -> tuple[Observation, Batch]:  # fmt: skip
    """The mean of what clients send that were sent a kernel set each, and their images."""
    server = manipulations.build("loki", {"sets": sets, "bins": bins})
    with seeded("loki", seed):
        layers = (nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 4))
        task = server.transform_task(Task("tiny", nn.Sequential(*layers), (1, 6, 6), 4))
    federation = FederationSettings(clients=clients, batch_size=batch, **facts)
    own, truth, training = batch * federation.training().steps, images(clients * 24, seed), federation.training()
    at = Crafting(task=task, weights=weights_of(task.network), round=1, client=0, cohort=tuple(range(clients)),
                  federation=federation, public=images(256, "public"))  # fmt: skip
    chosen, deltas, first = [], [], None
    for client in range(clients):
        sent = server.craft(replace(at, client=client), generator("craft", seed))
        mine = truth[torch.arange(client * 24, client * 24 + own)]
        after = client_round(task, sent, mine, training, chain or Chain(), (seed, client)).weights.parameters
        deltas.append({name: after[name] - value for name, value in sent.parameters.items()})
        chosen.append(mine.inputs)
        first = first or sent
    mean = {name: sum(one[name] for one in deltas) / clients for name in deltas[0]}
    inputs = torch.cat(chosen)
    return Observation(
        task=task, before=first, update=Update(mean, UpdateKind.DELTA), num_examples=len(inputs), training=training,
        cohort=at.cohort, manipulations=(server,), auxiliary=at.public, defense=chain or Chain(),
    ), Batch(inputs, torch.zeros(len(inputs), dtype=torch.long))  # fmt: skip


def read(observation: Observation) -> Reconstruction:
    return attacks.build("loki-readout", {}).run(observation, generator(0))


def exact(guess: Reconstruction, truth: Batch) -> float:
    """The share of the images that are among the guesses."""
    apart = torch.cdist(truth.inputs.flatten(1), guess.inputs.flatten(1)) / 6
    return float((apart.amin(1) < 1e-3).double().mean())


def test_images_that_are_alone_among_those_of_their_client_come_back_exactly() -> None:
    shares = [exact(read(one), truth) for one, truth in (planted_sum(seed=seed) for seed in range(3))]
    assert sum(shares) / 3 > 0.9  # (1 - 1 / 128)^5 = .96; of 18 together .87


def test_clients_do_not_get_in_each_other_s_way_where_they_have_the_same_image() -> None:
    observation, truth = planted_sum(bins=16, batch=1)
    assert exact(read(observation), truth) == 1
    assert "by block: 1, 1, 1" in read(observation).note


def test_several_local_steps_change_little() -> None:
    shares = [
        exact(read(one), truth) for one, truth in (planted_sum(batch=2, batches=3, seed=seed) for seed in range(3))
    ]
    assert sum(shares) / 3 > 0.9


def test_clients_that_share_a_set_are_read_together() -> None:
    observation, truth = planted_sum(sets=2)
    guess = read(observation)
    assert exact(guess, truth) > 0.7
    assert "each of 2 blocks" in guess.note


def test_guesses_are_of_distinct_images_and_no_more_than_there_are() -> None:
    observation, truth = planted_sum(bins=8, batch=6)
    guess = read(observation)
    assert len(guess.inputs) <= len(truth)
    assert torch.allclose(guess.fallback, observation.auxiliary.inputs.mean(0))
    apart = torch.cdist(guess.inputs.flatten(1), guess.inputs.flatten(1)) + 9 * torch.eye(len(guess.inputs))
    assert apart.min() > 1e-3


def test_much_noise_leaves_nothing() -> None:
    observation, truth = planted_sum(chain=Chain.build(({"use": "gaussian-noise", "std": 1e6},)))
    guess = read(observation)
    assert guess.failure or exact(guess, truth) == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [({"manipulations": ()}, "the server planted no kernel sets"), ({"masked": True}, "the update is masked")],
)
def test_where_there_is_nothing_to_read_the_reason_is_said(change: dict[str, Any], words: str) -> None:
    guess = read(replace(planted_sum()[0], **change))
    assert guess.inputs is None
    assert words in guess.failure


def test_a_sum_that_opens_though_models_differ_is_read_and_one_that_is_bound_to_them_is_lost() -> None:
    server, masks = [{"use": "loki", "sets": 3, "bins": 32}], {"use": "secure-aggregation"}
    asked = {"server": server, "clients": 3, "batch_size": 2}
    seen = capture("digits-mlp", defense=[{**masks, "binds_model": False}], **asked)[-1]
    assert exact(attack(seen, "loki-readout"), seen.truth) > 0.6
    with pytest.raises(FederationError, match="signature that came is not its own"):
        capture("digits-mlp", defense=[masks], **asked)


@pytest.mark.parametrize(("sets", "blocks"), [(4, "1, 1, 1"), (3, "2, 1")])
def test_where_a_client_leaves_the_blocks_of_those_that_stayed_are_read(sets: int, blocks: str) -> None:
    left = [{"client": 1, "stage": "masked"}]
    masks = {"use": "secure-aggregation", "binds_model": False}
    seen = capture("digits-mlp", defense=[masks], server=[{"use": "loki", "sets": sets, "bins": 512}], clients=4,
                   dropouts=left)[-1]  # fmt: skip
    assert seen.observation.cohort == (0, 2, 3)
    assert seen.observation.parts == tuple(block % sets for block in seen.observation.cohort)
    guess = attack(seen, "loki-readout")
    assert exact(guess, seen.truth) == 1
    assert f"by block: {blocks}" in guess.note


def test_a_message_of_one_client_is_read_in_whichever_block_is_its_own() -> None:
    server = [{"use": "loki", "sets": 3, "bins": 256}]
    for single in capture("digits-mlp", server=server, clients=3, batch_size=2):
        guess = attack(single, "loki-readout")
        assert exact(guess, single.truth) == 1
        assert "each of 1 blocks" in guess.note
