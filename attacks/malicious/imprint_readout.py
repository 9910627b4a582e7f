"""Readout of an imprint: images that were alone in a bin of the planted layer, out of any sum."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float64
from torch import Generator, Tensor

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.manipulated import expected_alone
from fedleak.contracts.manipulation import planted
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.errors import NotApplicable
from fedleak.gradients.imprint import ImprintLayer, first_linear, planted_module
from fedleak.learning.task import Task

from ..parts.applicability import require_gradient
from ..parts.imprint.bins import binned, planted_rows
from ..parts.imprint.defended import changes, completed, likely_images
from ..parts.imprint.peeling import peelable, peeled
from ..parts.imprint.proof import provable, proved
from ..parts.known_defenses import accounted
from ..parts.linear_layers.neurons import AGREEMENT, agreeing


@attacks.register("imprint-readout")
@dataclass(frozen=True, kw_only=True)
class ImprintReadout(Attack):
    """Reads a planted layer: of each bin the quotient of weight and bias gradient, an image where it holds one alone.

    What neighboring rows differ by, or what a row that saturates has by itself, is the sum over the images between two
    thresholds. Kept are quotients within the range of pixels that lie in the bin they came from; equal ones count once.
    Of the others the mean public image is guessed, so that shares are of all images.

    Beyond the paper: of one step on rows with ReLUs rows are read as they were really sent, where noise or honest
    weights leave few bins whole: an image that woke a row alone is taken out of all others, and so on. If all are found
    and nothing of the update is left, they are proved. Of bins a quotient is proved (`certified`) at which the
    derivative of the loss, computed again for some label, is the one that the bin has. A mixture has it by chance about
    once in 10,000. Not where a layer mixes the batch or draws, under defenses that change updates, and of rows that
    several steps moved.

    Who knows the defenses reads on: under noise of known size each bin that is likelier to hold an image than noise
    alone gives the image that is expected, by what public ones are like, and rows with ReLUs are averaged where they
    see the same; of rows that lack entries the rest is filled in. A quotient does not change with the length of an
    update, so clipping, of an update or of single examples, hides nothing.
    """

    paper: ClassVar = "https://arxiv.org/abs/2110.13057"
    cites: ClassVar = "fowl2022robbing"

    @property
    def reads(self) -> frozenset[str]:
        return frozenset({"imprint"})

    def adapts_to(self, chain: Chain) -> bool:
        return accounted(chain)

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"inputs"})

    def reconstruct(self, observation: Observation, rng: Generator) -> Reconstruction:  # noqa: ARG002
        layer = planted_in(observation, self.reads)
        require_gradient(observation)
        noisy = observation.defense.noise_variance(observation.training) > 0
        found = likely(observation, layer) if noisy else exact(observation, layer)
        if not len(found.images) and not noisy:
            raise NotApplicable("no bin of the planted layer holds anything that could be an image")
        examples, rows = observation.examples(), int(layer.planted(observation.before).sum())
        expected = expected_alone(observation.manipulations, examples) or 0.0
        whole = len(found.images) == examples and bool(found.certified.all())
        space, public = observation.task.space, observation.auxiliary
        return Reconstruction(
            inputs=space.clamped(found.images).float().reshape(-1, *space.shape),
            fallback=torch.full(space.shape, space.middle) if public is None else public.inputs.mean(0),
            certifiable=found.certifiable,
            certificate=f"each of {examples} examples explains its part of the update" if whole else None,
            certified=found.certified,
            note=f"{len(found.images)} of {examples} examples read, {int(found.certified.sum())} of them proved; in "
            f"{rows} bins {expected:.3g} are expected to be alone",
        )


@dataclass(frozen=True, kw_only=True)
class Read:
    """Images, and which of them are proved."""

    images: Float64[Tensor, "found pixels"]
    certified: Bool[Tensor, " found"]
    certifiable: bool


def exact(observation: Observation, layer: ImprintLayer) -> Read:
    """Quotients of bins that hold something but rounding; last those of which clients left entries out."""
    rows = binned(observation, layer)
    bins = rows.loud()
    bins = bins[bins.plausible(observation.task.space.bounds)]
    certifiable, examples = provable(observation, layer), observation.examples()
    sure = proved(observation, layer, bins) if certifiable else torch.zeros(len(bins), dtype=torch.bool)
    images, certified = bins.images, sure
    if certifiable and peelable(observation, layer) and not int(sure.sum()) >= examples:
        peel = peeled(observation, layer)
        images, certified = torch.cat([peel.images, images]), torch.cat([peel.certified, sure])
    filled = completed(observation, rows, bins.row)
    images, certified = torch.cat([images, filled]), torch.cat([certified, certified.new_zeros(len(filled))])
    chosen = _distinct(images, certified, observation.task.space.extent)[:examples]
    return Read(images=images[chosen], certified=certified[chosen], certifiable=certifiable)


def likely(observation: Observation, layer: ImprintLayer) -> Read:
    """What is likelier than known noise; nothing of it is proved."""
    rows = planted_rows(observation, layer)
    images = likely_images(observation, rows if layer.sparse else changes(rows), observation.examples())
    sure = torch.zeros(len(images), dtype=torch.bool)
    chosen = _distinct(images, sure, observation.task.space.extent)
    return Read(images=images[chosen], certified=sure[chosen], certifiable=False)


def planted_in(
    observation: Observation,
    by: frozenset[str],
    find: Callable[[Task], ImprintLayer | str] = lambda task: planted_module(task.network) or first_linear(task),
) -> ImprintLayer:
    """The layer that a server planted which does one of these things; raises `NotApplicable` where there is none."""
    if not any(one.name in by for one in planted(observation.manipulations)):
        raise NotApplicable(
            f"the server planted nothing: this attack reads a layer that the manipulation '{min(by)}' has made"
        )
    if observation.masked:
        raise NotApplicable("the update is masked, so its entries are random: a readout needs the sum")
    found = find(observation.task)
    if isinstance(found, str):
        raise NotApplicable(f"no planted layer is left: {found}")
    if not found.planted(observation.before).any():
        raise NotApplicable(
            f"the rows of '{found.weight}' do not look one way: in round {observation.round} the server had planted "
            "nothing yet, or sent others than it did"
        )
    return found


def _distinct(images: Tensor, sure: Tensor, extent: float) -> Tensor:
    """The places of the images, one of each: proved ones first, each group as they come."""
    order = torch.cat([sure.nonzero()[:, 0], (~sure).nonzero()[:, 0]])
    groups = agreeing(images[order], torch.zeros(len(order), dtype=torch.float64), AGREEMENT * extent)
    return order[[group[0] for group in groups]]
