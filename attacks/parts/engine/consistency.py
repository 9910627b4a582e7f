"""Group consistency: several reconstructions pull each other together.

Where reconstructions from different starts agree, the update speaks; where they do not, chance does. Source:
https://arxiv.org/abs/2104.07586
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Generator, Tensor

from fedleak.learning.batch import unlike
from fedleak.learning.space import InputSpace
from fedleak.randomness import seeded

from .loop import TOGETHER
from .objective import Gradient, Guess, Objective, Variables, by_autograd, by_function

# Image registration: reconstructions from several starts may show the same thing at different places. By translation
# alone, round the edges and within a reach: the peak of the circular cross-correlation. Enough for small images, where
# GradInversion uses RANSAC-flow. Source: https://arxiv.org/abs/2104.07586


def registered(
    images: Float[Tensor, "batch channels height width"],
    references: Float[Tensor, "batch channels height width"],
    reach: int,
) -> Float[Tensor, "batch channels height width"]:
    """Each image moved, by at most `reach` pixels each way, to where it is nearest to its reference."""
    shifts = best_shifts(images, references, reach).tolist()
    return torch.stack([image.roll(shift, (1, 2)) for image, shift in zip(images, shifts, strict=True)])


def best_shifts(
    images: Float[Tensor, "batch channels height width"],
    references: Float[Tensor, "batch channels height width"],
    reach: int,
) -> Int[Tensor, "batch 2"]:
    """How far down and right each image has to be moved; of equally good moves the shortest."""
    correlation = _correlation(images, references, reach)
    return _moves(reach, *images.shape[-2:])[correlation.argmax(-1).cpu()]


def distances_when_registered(
    images: Float[Tensor, "batch channels height width"],
    references: Float[Tensor, "batch channels height width"],
    reach: int,
) -> Float[Tensor, "batch batch"]:
    """Squared distance of each reference (row) from each image (column), each pair laid over each other."""
    peaks = _correlation(images[None], references[:, None], reach).amax(-1)
    lengths = [batch.square().flatten(1).sum(1) for batch in (references, images)]
    return lengths[0][:, None] + lengths[1][None] - 2 * peaks


def _correlation(images: Tensor, references: Tensor, reach: int) -> Float[Tensor, "*batch moves"]:
    """The inner product of images with their references after each of the moves."""
    height, width = images.shape[-2:]
    spectrum = torch.fft.rfft2(references) * torch.fft.rfft2(images).conj()
    everywhere = torch.fft.irfft2(spectrum.sum(-3), s=(height, width))
    moves = _moves(reach, height, width)
    chosen: Tensor = everywhere[..., moves[:, 0] % height, moves[:, 1] % width]
    return chosen


@lru_cache(maxsize=16)
def _moves(reach: int, height: int, width: int) -> Int[Tensor, "moves 2"]:
    """All moves within reach, the shortest first."""
    down, right = min(reach, (height - 1) // 2), min(reach, (width - 1) // 2)
    moves = [(y, x) for y in range(-down, down + 1) for x in range(-right, right + 1)]
    return torch.tensor(sorted(moves, key=lambda move: move[0] ** 2 + move[1] ** 2))


@dataclass(frozen=True, eq=False)
class Group(Objective):
    """Mean loss of several members, times 1 plus `weight` times their mean squared distance from what they agree on.

    As a multiple of the loss agreement pulls no harder when little is left to match, where it would hold members back.
    A variable holds the members along its first axis. Four members or more are evaluated in one call where the inner
    objective can, fewer one after the other.
    """

    inner: Objective
    labels: Int[Tensor, "batch *classes"]
    """Members agree image by image; which is which among images of one label is settled by likeness."""
    weight: float
    reach: int
    """Pixels that an image may be moved to be laid over another."""

    @property
    def space(self) -> InputSpace:
        return self.inner.space

    @property
    def vectorizes(self) -> bool:
        return False  # what the members agree on is settled by sorting

    def loss(self, variables: Variables, gradient: Gradient) -> Float[Tensor, ""]:
        total = self._losses(variables, gradient).mean()
        images = variables["inputs"]
        if not self.weight or len(images) == 1:
            return total
        with torch.no_grad():
            targets = torch.stack(self._targets(images.detach()))
        return total * (1 + self.weight * (images - targets).square().mean())

    def guess(self, variables: Variables) -> Guess:
        """The member that explains the update best."""
        with seeded("best member"):  # dropout would make the choice depend on what was drawn before
            losses = self._losses(variables, by_autograd)
        return self.inner.guess(_member(variables, int(losses.argmin())))

    def completed(self, start: Variables, rng: Generator) -> Variables:
        count = len(start["inputs"])
        return as_group([self.inner.completed(_member(start, number), rng) for number in range(count)])

    def project(self, variables: Variables) -> None:
        self.inner.project(variables)

    def _losses(self, variables: Variables, gradient: Gradient) -> Float[Tensor, " members"]:
        count = len(variables["inputs"])
        if self.inner.vectorizes and count >= TOGETHER:
            each = torch.func.vmap(lambda member: self.inner.loss(member, by_function))
            losses: Tensor = each(variables)
            return losses
        return torch.stack([self.inner.loss(_member(variables, number), gradient) for number in range(count)])

    def _targets(self, images: Float[Tensor, "members batch channels height width"]) -> list[Tensor]:
        """What each member's images are drawn to: the mean of all, each laid over the first member's."""
        orders = [self._order(images[0], member) for member in images]
        laid = [registered(member[order], images[0], self.reach) for member, order in zip(images, orders, strict=True)]
        agreed = torch.stack(laid).mean(0)
        return [
            registered(agreed, member[order], self.reach)[order.argsort()]
            for member, order in zip(images, orders, strict=True)
        ]

    def _order(self, reference: Tensor, member: Tensor) -> Int[Tensor, " batch"]:
        """Which image of a member stands for each of the reference."""
        costs = distances_when_registered(member, reference, self.reach)
        costs = costs + unlike(self.labels, self.labels).to(costs.device) * (costs.abs().max() + 1) * len(costs)
        return torch.as_tensor(linear_sum_assignment(costs.cpu().numpy())[1], device=member.device)


def _member(variables: Variables, number: int) -> Variables:
    return {name: value[number] for name, value in variables.items()}


def as_group(starts: Sequence[Variables]) -> Variables:
    """The starts of the members as one."""
    return {name: torch.stack([start[name] for start in starts]) for name in starts[0]}
