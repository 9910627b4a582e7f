"""Examples read off a layer with trap weights."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from fedleak.api import attack, capture
from fedleak.attacks.malicious.trap_readout import TRAP
from fedleak.client_round import client_round
from fedleak.contracts.attack import attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.manipulation import Crafting, manipulations
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.learning.update import Update, UpdateKind
from fedleak.randomness import generator, seeded
from fedleak.settings.federation import FederationSettings
from fedleak.tasks import weights_of

Trapped = tuple[Observation, Batch]
FLAT: list[nn.Module] = [nn.Flatten(), nn.Linear(36, 300), nn.ReLU(), nn.Linear(300, 12), nn.ReLU(), nn.Linear(12, 4)]


def images(count: int, seed: object) -> Batch:
    rng = generator("images", seed)
    return Batch(torch.rand(count, 1, 6, 6, generator=rng), torch.randint(4, (count,), generator=rng))


def trapped(
    clients: int = 3, batch: int = 4, layers: list[nn.Module] = FLAT, seed: int = 0, defense: Chain | None = None,
    options: dict[str, Any] | None = None, **facts: Any,
) -> Trapped:  # fmt: skip
    """The mean of what clients send that were sent trap weights, and their examples."""
    with seeded("trapped task", seed):  # layers that a module made when it was imported are drawn anew
        for layer in layers:
            if isinstance(layer, nn.Linear | nn.Conv2d):
                layer.reset_parameters()
        task = Task("tiny", nn.Sequential(*layers), (1, 6, 6), 4)
    federation = FederationSettings(clients=clients, batch_size=batch, **facts)
    server = manipulations.build(TRAP, options or {})
    at = Crafting(task=task, weights=weights_of(task.network), round=1, client=0, cohort=tuple(range(clients)),
                  federation=federation, public=images(256, "public"))  # fmt: skip
    sent, own = server.craft(at, generator("craft", seed)), batch * federation.training().steps
    truth, chain = images(clients * own, seed), defense or Chain()
    after = [
        client_round(task, sent, truth[torch.arange(client * own, (client + 1) * own)], federation.training(), chain,
                     (seed, client)).weights.parameters
        for client in range(clients)
    ]  # fmt: skip
    delta = {name: sum(one[name] - value for one in after) / clients for name, value in sent.parameters.items()}
    return Observation(
        task=task, before=sent, update=Update(delta, UpdateKind.DELTA), num_examples=len(truth), cohort=at.cohort,
        training=federation.training(), manipulations=(server,), defense=chain,
    ), truth  # fmt: skip


def read(observation: Observation) -> Reconstruction:
    return attacks.build("trap-readout", {}).run(observation, generator(0))


def recovered(guess: Reconstruction, truth: Batch, error: float = 0.01) -> float:
    """The share of the examples that one guess is nearly the same as, labels included where there are any."""
    apart = torch.cdist(truth.inputs.flatten(1), guess.inputs.flatten(1)) / 6
    right = apart.amin(1) < error
    if guess.labels is not None:
        right &= guess.labels[apart.argmin(1)] == truth.labels
    return float(right.double().mean())


@pytest.mark.parametrize("seed", range(3))
def test_all_examples_of_a_sum_come_back_with_their_labels_and_that_is_certified(seed: int) -> None:
    observation, truth = trapped(seed=seed)
    guess = read(observation)
    assert recovered(guess, truth, 1e-3) == 1
    assert len(guess.inputs) == len(truth)
    assert guess.certifiable
    assert guess.certificate is not None
    assert guess.certified.double().mean() > 0.7
    assert guess.mismatch < 1e-2


@pytest.mark.parametrize(
    ("chain", "share"),
    [
        ({"use": "clipping", "max_norm": 0.05}, 1.0),
        ({"use": "dp-sgd", "max_norm": 0.3, "noise_multiplier": 0.0}, 1.0),
        ({"use": "gaussian-noise", "std": 5e-6}, 0.5),
    ],
)
def test_who_knows_the_defense_reads_through_it_and_proves_nothing(chain: dict[str, Any], share: float) -> None:
    observation, truth = trapped(defense=Chain.build((chain,)))
    knowing = read(observation)
    plain = attacks.build("plain", {"attack": {"use": "trap-readout"}}).run(observation, generator(0))
    assert recovered(knowing, truth, 0.02) >= share
    assert not knowing.certifiable
    assert knowing.certified is None or not knowing.certified.any()
    if chain["use"] == "gaussian-noise":
        assert plain.inputs is None or recovered(plain, truth, 0.02) < share / 2


def test_what_convolutions_copy_comes_back_in_its_order() -> None:
    front = [nn.Conv2d(1, 6, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten()]
    observation, truth = trapped(layers=[*front, nn.Linear(54, 300), nn.ReLU(), nn.Linear(300, 4)])
    assert recovered(read(observation), truth, 1e-3) == 1


def test_with_the_scale_of_the_paper_some_come_back_and_each_guess_is_right() -> None:
    observation, truth = trapped(clients=8, options={"scale": 0.6})
    guess = read(observation)
    assert recovered(guess, truth) > 0.2
    assert len(guess.inputs) == round(recovered(guess, truth) * len(truth))
    assert f"{len(guess.inputs)} of 32 examples" in guess.note
    assert guess.certificate is None


def test_a_sum_over_one_example_too_many_is_not_certified() -> None:
    observation, _ = trapped()
    guess = read(replace(observation, num_examples=observation.num_examples - 1))
    assert guess.certificate is None


@pytest.mark.parametrize("options", [{}, {"scale": 0.7}, {"spread": 1.0}, {"spread": 300.0}])
def test_what_is_proved_is_right(options: dict[str, Any]) -> None:
    proved = 0
    for seed in range(10):
        observation, truth = trapped(clients=6, options=options, seed=seed)
        guess = read(observation)
        apart = torch.cdist(guess.inputs[guess.certified].flatten(1), truth.inputs.flatten(1)).amin(1) / 6
        assert (apart < 1e-2).all()  # 40 dB
        proved += len(apart)
    assert proved > 10


def test_of_those_that_are_not_found_the_mean_public_example_is_guessed() -> None:
    observation, _ = trapped(clients=8, options={"scale": 0.6})
    assert torch.equal(read(observation).fallback, torch.full((1, 6, 6), 0.5))
    public = images(5, "auxiliary")
    assert torch.equal(read(observation.with_auxiliary(public)).fallback, public.inputs.mean(0))


def test_after_several_steps_what_neurons_agree_on_comes_back_without_labels() -> None:
    observation, truth = trapped(clients=2, batch=1, batches=2)
    guess = read(observation)
    assert guess.labels is None
    assert not guess.certifiable
    assert "agreed on by two neurons or more" in guess.note
    assert recovered(guess, truth) >= 0.5


def test_noise_leaves_nothing_to_certify() -> None:
    observation, _ = trapped(defense=Chain.build(({"use": "gaussian-noise", "std": 1e-4},)))
    guess = read(observation)
    assert not guess.certifiable
    assert guess.certificate is None
    assert guess.certified is None or not guess.certified.any()


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda one: replace(one, manipulations=()), "the server sent no trap-weights"),
        (lambda one: replace(one, masked=True), "the update is masked"),
        (lambda one: replace(one, update=one.update.with_vector(0 * one.update.vector())), "zero"),
    ],
)
def test_where_nothing_was_collected_the_reason_is_said(made: Callable[[Observation], Observation], words: str) -> None:
    observation, _ = trapped()
    guess = read(made(observation))
    assert guess.inputs is None
    assert words in guess.failure


def test_through_secure_aggregation_digits_come_back() -> None:
    server, masks = [{"use": TRAP}], [{"use": "secure-aggregation"}]
    seen = capture("digits-mlp", server=server, defense=masks, clients=3, batch_size=2)[-1]
    assert seen.observation.cohort == (0, 1, 2)
    guess = attack(seen, "trap-readout")
    assert recovered(guess, seen.truth) >= 0.8
