"""MixUp: mixtures of pairs, with labels to match."""

import pytest
import torch

from fedleak.client_round import client_round
from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import defenses
from fedleak.errors import ConfigError
from fedleak.learning.batch import Batch
from fedleak.learning.training import LocalTraining
from fedleak.randomness import generator
from fedleak.tasks import initial_weights, task_of

TASK = task_of("digits-mlp")


def batch(count: int) -> Batch:
    inputs = torch.rand(count, *TASK.shape, generator=generator("images"))
    return Batch(inputs, torch.arange(count) % TASK.classes)


def mixed(count: int, **options: float) -> Batch:
    return defenses.build("mixup", options).examples(TASK, batch(count), generator(0))


def test_labels_say_what_an_image_is_made_of() -> None:
    examples, mixtures = batch(10), mixed(10)
    torch.testing.assert_close(mixtures.labels.sum(1), torch.ones(10))
    assert ((mixtures.labels > 0).sum(1) <= 2).all()
    # With a class for each image, the labels are the coefficients.
    expected = torch.einsum("bk,kchw->bchw", mixtures.labels, examples.inputs)
    torch.testing.assert_close(mixtures.inputs, expected)


def test_inputs_stay_between_black_and_white() -> None:
    low, high = mixed(200).inputs.aminmax()
    assert low >= 0
    assert high <= 1


def test_a_small_alpha_hardly_mixes_and_a_large_one_halves() -> None:
    assert mixed(200, alpha=1e-3).labels.amax(1).mean() > 0.97
    halves = mixed(200, alpha=1e5).labels
    assert (halves[(halves > 0).sum(1) == 2] - 0.5).abs().min() < 0.01
    assert halves.amax(1).median() < 0.51


def test_one_example_stays_as_it_is() -> None:
    torch.testing.assert_close(mixed(1).inputs, batch(1).inputs)


@pytest.mark.parametrize("name", ["mixup", "instahide"])
def test_a_client_of_one_example_is_refused_and_one_of_two_is_not(name: str) -> None:
    defense = defenses.build(name, {})
    defense.require_examples(2)
    with pytest.raises(ConfigError, match=f"'{name}' mixes the examples of a client with each other, and one has 1;"):
        defense.require_examples(1)


def test_a_client_trains_on_the_mixtures() -> None:
    defense, examples = defenses.build("mixup", {}), batch(8)
    weights = initial_weights(TASK.name, 0)
    sent = client_round(TASK, weights, examples, LocalTraining(batch_size=8), Chain((defense,)), (1,)).weights
    mixtures = defense.examples(TASK, examples, generator(1, "examples", 0))
    slope = TASK.gradients(weights, mixtures.inputs, mixtures.labels)
    for name, value in weights.parameters.items():
        torch.testing.assert_close(sent.parameters[name], value - 0.1 * slope[name], rtol=0, atol=1e-6)
