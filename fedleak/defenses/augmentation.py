"""Automatic transformation search (ATS): augmentation as a defense."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import torch
from jaxtyping import Bool, Float
from pydantic import AfterValidator
from pydantic_core import PydanticCustomError
from torch import Generator, Tensor

from fedleak.contracts.defense import Defense, defenses
from fedleak.defenses.parts.transformations import SEARCHED, Images, transformed, undone, ways_of, within
from fedleak.errors import ConfigError
from fedleak.learning.batch import Batch
from fedleak.learning.space import require_images
from fedleak.learning.task import Task

FITTING_STEPS, FITTING_RATE, SMOOTH = 200, 0.05, 1e-3


def _checked_policy(value: str) -> str:
    steps = [step for part in value.split("+") for step in part.split("-")]
    if not all(step.isascii() and step.isdecimal() and int(step) < len(SEARCHED) for step in steps):
        raise PydanticCustomError(
            "policy", f'numbers from 0 to {len(SEARCHED) - 1}, such as "3-1-7", or several such with + between them'
        )
    return value


@defenses.register("ats")
@dataclass(frozen=True, kw_only=True)
class Augmentation(Defense):
    """Trains on images that are moved, turned, inverted or recolored, by a policy that makes them hard to recover.

    Every example goes through one of the policy's sequences of transformations, drawn at random; most of them go either
    way (left or right, brighter or darker), which is drawn too. Once a round: all epochs see the same images, and they
    stay in [0, 1]. The policy is public, so an attacker who has recovered an image fits the one that it was made from:
    what was moved out of the picture is lost, and the rest is there.
    """

    paper: ClassVar = "https://arxiv.org/abs/2011.12505"
    cites: ClassVar = "gao2021privacy"
    adaptive_strategy: ClassVar[str] = "undoes the transformations, whichever way the dice went"
    policy: Annotated[str, AfterValidator(_checked_policy)] = "3-1-7"
    """Transformations by their number in the paper's list of 50, in order; "+" stands between sequences to draw from.
    "3-1-7" and "3-1-7+43-18-18" are the paper's for CIFAR-100."""

    @property
    def sequences(self) -> list[list[str]]:
        """The sequences to draw from, each of words such as `contrast-6`."""
        return [[SEARCHED[int(step)] for step in part.split("-")] for part in self.policy.split("+")]

    def examples(self, task: Task, examples: Batch, rng: Generator) -> Batch:
        require_images(task.space, f"'{self.name}'", ConfigError)
        drawn = [transformed(image, *self._drawn(rng)) for image in torch.split(examples.inputs, 1)]
        return replace(examples, inputs=torch.cat(drawn))

    def seen(self, examples: Batch, rng: Generator) -> Bool[Tensor, "batch channels height width"]:
        return torch.cat([within(image, *self._drawn(rng)) for image in torch.split(examples.inputs, 1)])

    def _drawn(self, rng: Generator) -> tuple[list[str], list[int]]:
        """A sequence and the way that each of its steps goes."""
        sequence = self.sequences[int(torch.randint(len(self.sequences), (), generator=rng))]
        return sequence, (torch.randint(2, (len(sequence),), generator=rng) * 2 - 1).tolist()

    def invert_examples(self, inputs: Images) -> Images:
        """For every sequence and sign that may have been drawn the images that fit best; of these, the best of all."""
        best, least = inputs, inputs.new_full((len(inputs),), torch.inf)
        for sequence, ways in self._ways():
            images, error = _fitted(inputs, sequence, ways)
            best = torch.where((error < least).reshape(-1, 1, 1, 1), images, best)
            least = torch.minimum(error, least)
        return best

    def _ways(self) -> Iterator[tuple[list[str], tuple[int, ...]]]:
        for sequence in self.sequences:
            yield from ((sequence, ways) for ways in itertools.product(*map(ways_of, sequence)))


def _fitted(target: Images, sequence: list[str], ways: tuple[int, ...]) -> tuple[Images, Float[Tensor, " batch"]]:
    """Smooth images that the steps lead to the target from, and for each the squared error that is left.

    Fitted from the steps turned back: from the target itself the way there is long, and a wrong sign may fit better.
    """
    images = undone(target.detach().clone(), sequence, ways).requires_grad_()
    optimizer = torch.optim.Adam([images], lr=FITTING_RATE)
    for step in range(FITTING_STEPS):
        optimizer.param_groups[0]["lr"] = FITTING_RATE * (1 + math.cos(math.pi * step / FITTING_STEPS)) / 2
        error = _error(images, target, sequence, ways)
        rough = images.diff(dim=-1).abs().mean((1, 2, 3)) + images.diff(dim=-2).abs().mean((1, 2, 3))
        (images.grad,) = torch.autograd.grad((error + SMOOTH * rough).sum(), images)
        optimizer.step()
        with torch.no_grad():
            images.clamp_(0, 1)
    with torch.no_grad():
        return images.detach(), _error(images, target, sequence, ways)


def _error(images: Images, target: Images, sequence: list[str], ways: tuple[int, ...]) -> Float[Tensor, " batch"]:
    return (transformed(images, sequence, ways) - target).square().mean((1, 2, 3))
