"""LOKI: what is shipped, and what each client is sent."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from fedleak.contracts.manipulation import Crafting, ServerTerms, manipulations
from fedleak.errors import ConfigError
from fedleak.gradients.kernel_sets import kernel_sets
from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.randomness import generator, seeded
from fedleak.server.malicious import loki
from fedleak.settings.federation import FederationSettings
from fedleak.tasks import task_of, weights_of

FEDERATION = FederationSettings(clients=3, batch_size=4)


def images(count: int, seed: object) -> Batch:
    return Batch(torch.rand(count, 1, 6, 6, generator=generator(seed)), torch.zeros(count, dtype=torch.long))


def shipped(client: int = 0, **options: Any) -> Crafting:
    with seeded("loki"):
        plain = Task("tiny", nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 4)), (1, 6, 6), 4)
        task = manipulations.build("loki", {"sets": 3, "bins": 16, **options}).transform_task(plain)
    return Crafting(task=task, weights=weights_of(task.network), round=1, client=client, cohort=(0, 4, 7),
                    federation=FEDERATION, public=images(200, "public"))  # fmt: skip


def crafted(at: Crafting, **options: Any) -> dict[str, torch.Tensor]:
    server = manipulations.build("loki", {"sets": 3, "bins": 16, **options})
    return server.craft(at, generator("craft")).parameters


def test_until_weights_are_crafted_the_network_says_what_it_said() -> None:
    at, inputs = shipped(), images(3, "inputs").inputs
    layers = {name: value for name, value in at.weights.parameters.items() if "loki" not in name}
    assert set(layers) == {"0.weight", "0.bias", "3.weight", "3.bias"}
    plain = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 4))
    plain.load_state_dict(layers)
    assert torch.equal(at.task.logits(at.weights, inputs), plain(inputs))


@pytest.mark.parametrize(("client", "block"), [(0, 0), (4, 1), (7, 2)])
def test_each_client_is_sent_the_kernels_of_its_own_block_and_else_what_all_are(client: int, block: int) -> None:
    at = shipped()
    own, first = crafted(replace(at, client=client), factor=50.0), crafted(at, factor=50.0)
    inside = kernel_sets(at.task.network).inside
    assert own[f"{inside}marks"].nonzero().flatten().tolist() == [block]
    assert own[f"{inside}kernels.weight"].flatten().tolist() == [50.0 * (place == block) for place in range(3)]
    apart = {name for name, value in own.items() if not torch.equal(value, first[name])}
    assert apart == ({f"{inside}marks", f"{inside}kernels.weight"} if block else set())


def test_with_fewer_sets_than_clients_some_share_one() -> None:
    at = shipped(sets=2)
    inside = kernel_sets(at.task.network).inside
    blocks = [crafted(replace(at, client=client), sets=2)[f"{inside}marks"].argmax().item() for client in at.cohort]
    assert blocks == [0, 1, 0]


def test_unseen_images_fall_evenly_between_thresholds() -> None:
    at = shipped()
    planted, weights = kernel_sets(at.task.network), crafted(at)
    rows, _ = planted.block(weights[planted.layer.weight].double(), 0)
    sums = 100.0 * images(4000, "unseen").inputs.flatten(1).double() @ rows.T + weights[planted.layer.bias].double()
    alone = ((sums > 0) & (sums < 1e-6)).double()
    assert alone.sum(1).max() <= 1
    assert alone.mean(0).min() > 0.5 / 17
    assert alone.mean(0).max() < 2 / 17


def test_what_was_given_stays_what_it_was() -> None:
    at = shipped()
    kept = {name: value.clone() for name, value in at.weights.parameters.items()}
    crafted(at)
    assert all(torch.equal(value, kept[name]) for name, value in at.weights.parameters.items())


def test_it_does_not_fit_without_public_examples_images_or_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    server = manipulations.build("loki", {})
    with pytest.raises(ConfigError, match=r"the adversary has 1; set adversary.auxiliary to 2"):
        server.require(ServerTerms(federation=FEDERATION, task=shipped().task, public=1))
    with pytest.raises(ConfigError, match="'loki', which convolves, is for images, and the examples are"):
        server.transform_task(task_of("diabetes-mlp"))
    monkeypatch.setattr(loki, "memory_of_machine", lambda: 1000)
    with pytest.raises(ConfigError, match=r"8 sets and bins = 256 plants a layer that takes .* GiB"):
        server.transform_task(task_of("digits-mlp"))


@pytest.mark.parametrize("option", [{"sets": 0}, {"bins": 1}, {"factor": 0.0}, {"gain": -1.0}])
def test_options_out_of_range_are_refused(option: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(option))}: expected"):
        manipulations.build("loki", option)
