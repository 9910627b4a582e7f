"""Answering: what a user of a service with some defenses of answers would get, for who simulates one."""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from fedleak.contracts.chain import Chain
from fedleak.contracts.traffic import Asked, Traffic
from fedleak.randomness import generator


def simulated_answers(
    chain: Chain,
    inputs: Float[Tensor, "asked *shape"],
    versions: tuple[Float[Tensor, "asked classes"], ...],
    *seed: object,
) -> tuple[Float[Tensor, "asked classes"], ...]:
    """The answers of each version of a model to one user who asks them all the same, one version after the other.

    `versions` are what the models say. Nothing is refused. Dice are those of `seed`, words, and the same for all
    versions, as a service has them: noise that is fixed for an input is the same in each.
    """
    answering = chain.answering
    if not len(answering):
        return versions
    dice = [generator(*seed, "answers", place) for place, _ in enumerate(answering)]
    past = Traffic(inputs=inputs[:0], probabilities=versions[0][:0], admitted=torch.zeros(0, dtype=torch.bool))
    answers = []
    for honest in versions:
        asked = Asked(inputs=inputs, probabilities=honest, history=past, benign=inputs[:0])
        for defense, rng in zip(answering, dice, strict=True):
            asked = replace(asked, probabilities=defense.answer(asked, rng))
        answers.append(asked.probabilities)
        past = Traffic(
            inputs=torch.cat([past.inputs, inputs]),
            probabilities=torch.cat([past.probabilities, honest]),
            admitted=torch.cat([past.admitted, torch.ones(len(inputs), dtype=torch.bool)]),
        )
    return tuple(answers)
