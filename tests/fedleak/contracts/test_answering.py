"""Simulated answers are those that a service of the same defenses gives, but for its dice."""

import pytest
import torch

from fedleak.contracts.answering import simulated_answers
from fedleak.contracts.chain import Chain
from fedleak.randomness import generator
from fedleak.serving.served_model import ServedModel
from fedleak.tasks import initial_weights, task_of

TASK = task_of("digits-mlp")
FIRST, SECOND = (initial_weights("digits-mlp", seed) for seed in (0, 1))
INPUTS = torch.rand(6, *TASK.shape, generator=generator(1))


def honest() -> tuple[torch.Tensor, torch.Tensor]:
    first = ServedModel(TASK, FIRST, queries=20)
    return first.ask(INPUTS), first.version(SECOND).ask(INPUTS)


@pytest.mark.parametrize(
    "tables",
    [
        (),
        ({"use": "rounding", "digits": 1},),
        ({"use": "confidence-noise", "std": 0.1}, {"use": "rounding", "digits": 2}),
        ({"use": "confidence-noise", "std": 0.1, "sticky": True},),
        ({"use": "clipping", "max_norm": 1.0},),
    ],
)
def test_they_are_a_service_s_own_to_the_last_bit_with_its_dice(tables) -> None:
    chain = Chain.build(tables)
    service = ServedModel(TASK, FIRST, queries=20, chain=chain, seed=("dice",))
    said = service.ask(INPUTS), service.version(SECOND).ask(INPUTS)
    simulated = simulated_answers(chain, INPUTS, honest(), "dice")
    assert all(map(torch.equal, said, simulated))


def test_other_words_are_other_dice() -> None:
    chain = Chain.build(({"use": "confidence-noise", "std": 0.1},))
    one, other = (simulated_answers(chain, INPUTS, honest(), "dice", place) for place in (1, 2))
    assert not torch.equal(one[0], other[0])
    assert not torch.equal(one[0] - honest()[0], one[1] - honest()[1])
