"""Rank analysis: how much of each layer's input its equations determine on a walk back through the layers.

Source: https://arxiv.org/abs/2010.07733, section 3.4
"""

from dataclasses import dataclass

import torch
from torch import Generator, nn

from fedleak.learning.weights import NamedTensors

from .equations import Factor, equations_of
from .linear_chain import Link, kink


@dataclass(frozen=True, kw_only=True)
class Step:
    """A layer: how many unknowns its input has, and how many of them its equations determine."""

    name: str
    unknowns: int
    rank: int


def rank_analysis(chain: tuple[Link, ...], weights: NamedTensors, rng: Generator) -> tuple[Step, ...]:
    """The steps from the last layer to the first, for these weights and derivatives drawn at random: no update needed.

    A linear layer's gradient determines its input whole. Of a ReLU's outputs a random half counts as known. The ranks
    are those that a real update has but in degenerate cases. Costs about n^3 / 3 operations for n inputs of a layer.
    """
    return tuple(_step(link, weights, rng) for link in reversed(chain))


def _step(link: Link, weights: NamedTensors, rng: Generator) -> Step:
    if isinstance(link.module, nn.Linear):
        return Step(name=link.name, unknowns=link.inputs, rank=link.inputs)
    weight = weights[link.weight].double()
    derivative = torch.randn(link.outputs, generator=rng, dtype=weight.dtype)
    known = torch.ones(link.outputs, dtype=torch.bool)
    if kink(link.activation) == 0.0:
        known = torch.rand(link.outputs, generator=rng) < 0.5
        derivative = derivative * known
    equations = equations_of(
        link.module, link.shape, weight, torch.ones_like(weight), torch.ones(link.outputs).double(), known, derivative
    )
    return Step(name=link.name, unknowns=link.inputs, rank=Factor(equations.normal()).rank)


def rank_words(steps: tuple[Step, ...]) -> str:
    """What the ranks mean for the image, in one sentence."""
    short = [step for step in steps if step.rank < step.unknowns]
    if not short:
        return f"the equations of all {len(steps)} layers have full rank, so the image is determined up to noise"
    named = ", ".join(f"'{step.name}' {step.rank} of {step.unknowns}" for step in short)
    return (
        f"too few equations to determine the input of {named}: what they leave free is lost, and all before it suffers"
    )
