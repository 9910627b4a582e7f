"""The victim's update out of a sum: exact where it is trusted, computed or hidden where it is not."""

from dataclasses import replace

import pytest
import torch

from fedleak.attacks.parts.isolation import alone, examples_of_one, with_gradient
from fedleak.attacks.parts.known_defenses import is_hidden
from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import defenses
from fedleak.contracts.manipulation import Isolation
from fedleak.learning.training import LocalTraining

BIAS = "3.bias"


def summed(own, clients=4):
    """A mean over clients of which the others have a part in the last layer's bias alone."""
    mean = {name: value / clients for name, value in own.update.tensors.items()}
    mean[BIAS] = mean[BIAS] + 0.01 * torch.arange(4.0)
    trusted = {name: torch.full_like(value, name != BIAS) for name, value in mean.items()}
    examples = None if own.num_examples is None else clients * own.num_examples
    seen = replace(
        own, update=replace(own.update, tensors=mean), cohort=tuple(range(clients)), num_examples=examples,
        defense=Chain((defenses.build("secure-aggregation", {}),)),
    )  # fmt: skip
    return seen, Isolation(victim=2, trusted=trusted)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_of_one_example_the_whole_update_comes_back(linear_task, observe, batch_of, momentum):
    for seed in range(5):
        training = LocalTraining(momentum=momentum, weight_decay=0.01)
        own = observe(linear_task, batch_of(linear_task, 1, seed), training)
        found = alone(*summed(own))
        assert found.cohort == (2,)
        assert found.examples() == 1
        assert not found.defense
        one, other = found.update.vector(), own.update.vector()
        assert (one - other).norm() < 2e-6 * other.norm()


def test_of_a_batch_the_bias_is_hidden_and_the_rest_exact(linear_task, observe, batch_of):
    own = observe(linear_task, batch_of(linear_task, 3))
    found = alone(*summed(own))
    assert is_hidden(found, BIAS)
    assert found.examples() == 3
    for name, value in found.update.tensors.items():
        assert torch.allclose(value, own.update.tensors[name]) == (name != BIAS)


def test_the_noise_of_all_clients_is_in_the_victim_s_part(linear_task, observe, batch_of):
    assert alone(*summed(observe(linear_task, batch_of(linear_task, 1)))).amplified == pytest.approx(2)  # sqrt(4)


def test_under_a_defense_of_its_own_nothing_is_computed(linear_task, observe, batch_of):
    clipped = Chain((defenses.build("clipping", {"max_norm": 1.0}), defenses.build("secure-aggregation", {})))
    seen, isolation = summed(observe(linear_task, batch_of(linear_task, 1)))
    found = alone(replace(seen, defense=clipped), isolation)
    assert is_hidden(found, BIAS)
    assert [defense.name for defense in found.defense] == ["clipping", "hidden-entries"]


def test_the_victims_examples_are_its_batches_or_its_part_of_all(linear_task, observe, batch_of):
    seen, isolation = summed(observe(linear_task, batch_of(linear_task, 3)))
    assert examples_of_one(seen, isolation) == 3
    unknown = replace(seen, training=seen.training.hiding(("batch_size",)))
    assert examples_of_one(unknown, isolation) == 3
    assert examples_of_one(replace(unknown, num_examples=None), isolation) == 1
    assert examples_of_one(seen, replace(isolation, examples=7)) == 7


def test_a_client_that_said_how_many_it_has_counts_for_as_many(linear_task, observe, batch_of):
    own = observe(linear_task, batch_of(linear_task, 3), LocalTraining(batches=None))
    mean = {name: value * 3 / 20 for name, value in own.update.tensors.items()}
    trusted = {name: torch.ones_like(value) for name, value in mean.items()}
    seen = replace(own, update=replace(own.update, tensors=mean), cohort=(0, 1), num_examples=20)
    found = alone(seen, Isolation(victim=1, trusted=trusted, examples=3))
    assert found.examples() == 3
    for name, value in found.update.tensors.items():
        assert torch.allclose(value, own.update.tensors[name], rtol=1e-5)


def test_gradients_are_put_into_an_update_as_they_are_read_out_of_it(linear_task, observe, batch_of):
    training = LocalTraining(batch_size=2, momentum=0.5, weight_decay=0.1)
    seen = observe(linear_task, batch_of(linear_task, 2), training)
    wanted = torch.arange(4.0)
    assert torch.allclose(with_gradient(seen, {BIAS: wanted}).gradient()[BIAS], wanted, atol=1e-6)
