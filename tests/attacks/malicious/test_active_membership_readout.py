"""Who trained on a record, by the neuron that was planted for it."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from fedleak.attacks.malicious.active_membership_readout import PLANTED
from fedleak.client_round import client_round
from fedleak.contracts.attack import attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.manipulation import Crafting, manipulations
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.learning.batch import Batch, joined
from fedleak.learning.task import Task
from fedleak.learning.update import Update, UpdateKind
from fedleak.randomness import generator, seeded
from fedleak.settings.federation import FederationSettings
from fedleak.tasks import weights_of

TARGETS = 16
MEMBERS = torch.arange(0, TARGETS, 2)


def images(count: int, seed: object) -> Batch:
    rng = generator("images", seed)
    return Batch(torch.rand(count, 1, 6, 6, generator=rng), torch.randint(4, (count,), generator=rng))


PUBLIC = images(128, "public")


def observed(seed: int = 0, planted: int = TARGETS, noise: float = 0.0, **facts: Any) -> Observation:
    """A client's update on its own examples and every other target, which are asked about in another order."""
    with seeded("membership task", seed):
        layers = [nn.Flatten(), nn.Linear(36, 40), nn.ReLU(), nn.Linear(40, 4)]
        task = Task("tiny", nn.Sequential(*layers), (1, 6, 6), 4)
    federation = FederationSettings(clients=1, batch_size=24, planted=TARGETS, **facts)
    server = manipulations.build(PLANTED, {"targets": planted})
    at = Crafting(task=task, weights=weights_of(task.network), round=1, client=0, cohort=(0,), federation=federation,
                  public=PUBLIC)  # fmt: skip
    sent, truth = server.craft(at, generator("craft")), joined([images(16, seed), PUBLIC[MEMBERS]])
    after = client_round(task, sent, truth, federation.training(), Chain(), (seed, 0)).weights.parameters
    rng = generator("noise", seed)
    change = {name: after[name] - value for name, value in sent.parameters.items()}
    change = {name: value + noise * torch.randn(value.shape, generator=rng) for name, value in change.items()}
    return Observation(
        task=task, before=sent, update=Update(change, UpdateKind.DELTA), num_examples=len(truth), cohort=(0,),
        training=federation.training(), manipulations=(server,), auxiliary=PUBLIC,
        candidates=PUBLIC[torch.arange(TARGETS).flip(0)],
    )  # fmt: skip


def read(observation: Observation) -> Reconstruction:
    return attacks.build("active-membership-readout", {}).run(observation, generator(0))


def scores(observation: Observation) -> torch.Tensor:
    """In the order of the targets."""
    guess = read(observation)
    assert guess.membership is not None, guess.note
    return guess.membership.flip(0)


def auc(found: torch.Tensor) -> float:
    members, others = found[MEMBERS], found[MEMBERS + 1]
    return float(((members[:, None] > others) + 0.5 * (members[:, None] == others)).double().mean())


@pytest.mark.parametrize("facts", [{}, {"epochs": 3, "learning_rate": 0.01}])
@pytest.mark.parametrize("seed", range(3))
def test_members_are_one_and_strangers_zero(seed: int, facts: dict[str, Any]) -> None:
    found = scores(observed(seed, **facts))
    assert found[MEMBERS].min() > 0.98
    assert auc(found) == 1
    assert (found[MEMBERS + 1] == 0).double().mean() > 0.9


def test_it_says_how_many_neurons_fired() -> None:
    assert "of 16 neurons that were planted for records 8 fired, 8 of them for the record alone" in str(
        read(observed()).note
    )


def test_noise_takes_it_away() -> None:
    found = [sum(auc(scores(observed(seed, noise=noise))) for seed in range(8)) / 8 for noise in (0.0, 1e-3, 3e-3, 1.0)]
    assert found[0] == 1
    assert found[0] >= found[1] > found[2] > found[3]
    assert abs(found[3] - 0.5) < 0.15


def test_of_records_without_a_neuron_nothing_is_said() -> None:
    found = scores(observed(planted=6))
    assert found[:6].tolist() == pytest.approx([1, 0] * 3, abs=1e-3)
    assert not found[6:].any()
    stranger = replace(observed(), candidates=images(5, "never seen"))
    assert read(stranger).membership.tolist() == [0] * 5


@pytest.mark.parametrize(
    ("known", "sentence"),
    [
        ({"manipulations": ()}, "planted no active-membership"),
        ({"masked": True}, "the update is masked"),
        ({"auxiliary": None}, "the adversary holds none"),
        ({"candidates": None}, "nobody was asked about"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_reason(known: dict[str, Any], sentence: str) -> None:
    assert sentence in str(read(replace(observed(), **known)).failure)


def test_weights_of_before_the_server_began_are_known_by_what_fires() -> None:
    observation = observed()
    honest = observation.before.like({name: -value for name, value in observation.before.state_dict().items()})
    assert "in round 1 the server had planted nothing yet" in str(read(replace(observation, before=honest)).failure)
