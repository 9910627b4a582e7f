"""D-SNR: the ratio against its formula, honest batches, and a model that one example alone gets through."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from fedleak.contracts.received import Received
from fedleak.defenses.d_snr import DSNR, dominance
from fedleak.defenses.parts.model_check import UNBOUNDED
from fedleak.errors import ConfigError
from fedleak.settings.federation import FederationSettings

Craft = Callable[..., Received]


def test_dominance_is_the_largest_over_the_root_of_the_other_squares() -> None:
    assert dominance(torch.tensor([3.0, 12.0, 4.0])) == pytest.approx(12 / 5)
    assert dominance(torch.tensor([2.0, 2.0])) == 1.0
    assert dominance(torch.tensor([2.0, 0.0])) == UNBOUNDED
    assert dominance(torch.zeros(3)) == 0.0


def test_it_is_that_of_gradients_one_by_one(honest: Received) -> None:
    count, task = 20, honest.task
    own = torch.arange(count) % len(honest.examples)
    examples = honest.examples[own]
    single = [
        task.gradients(honest.weights, examples.inputs[i : i + 1], examples.labels[i : i + 1]) for i in range(count)
    ]
    expected = max(
        dominance(torch.stack([gradient[name].norm() for gradient in single])) for name in ("1.weight", "3.weight")
    )
    assert DSNR().statistics(replace(honest, examples=examples))["ratio"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("seed", range(3, 6))
def test_an_honest_model_raises_nothing(seed: int, make_received: Craft) -> None:
    assert DSNR().inspect(make_received("digits-mlp", 16, seed)) is None


def test_one_example_that_alone_gets_through_is_seen(honest: Received, craft: Craft) -> None:
    """The one hidden unit that lives lets the brightest example through."""
    sums = honest.examples.inputs.flatten(1).sum(1)
    second = float(sums.sort(descending=True).values[1])
    alone = {"1.weight": torch.ones_like, "1.bias": lambda bias: torch.full_like(bias, -second)}
    alarm = DSNR().inspect(craft(honest, alone))
    assert alarm is not None
    assert alarm.value == UNBOUNDED
    assert alarm.words == "one example of the client would dominate the gradient of '1.weight'"


def test_under_batch_norm_examples_are_looked_at_in_eval_mode_and_nothing_is_written(make_received: Craft) -> None:
    received = make_received("digits-resnet18", 3)
    before = {name: value.clone() for name, value in received.weights.buffers.items()}
    assert 0 < DSNR().statistics(received)["ratio"] < UNBOUNDED
    assert all(torch.equal(value, before[name]) for name, value in received.weights.buffers.items())


def test_one_example_has_no_others(honest: Received) -> None:
    alone = replace(honest, examples=honest.examples[torch.arange(1)])
    assert DSNR().statistics(alone) == {}
    one, more = FederationSettings(batch_size=1), FederationSettings(batch_size=1, batches=2)
    with pytest.raises(ConfigError, match="a round of this run has one; set federation"):
        DSNR().planned((one,))
    assert DSNR().planned((more,)) == DSNR()
