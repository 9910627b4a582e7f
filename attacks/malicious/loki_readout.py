"""Readout of kernel sets: images that were alone in a bin of their client's block, out of any sum."""

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.manipulation import planted as planted_by
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.errors import NotApplicable
from fedleak.gradients.imprint import ImprintLayer
from fedleak.gradients.kernel_sets import KernelSets, kernel_sets
from fedleak.statistics.singletons import expected_share

from ..parts.applicability import require_gradient
from ..parts.imprint.bins import Rows, length_of, sent_entries
from ..parts.imprint.defended import completed, likely_images
from ..parts.known_defenses import accounted
from ..parts.linear_layers.first_layer import FirstLayer
from ..parts.linear_layers.neurons import AGREEMENT, agreeing
from ..parts.linear_layers.pixelwise import pixelwise

LOKI = "loki"


@attacks.register("loki-readout")
@dataclass(frozen=True, kw_only=True)
class LokiReadout(Attack):
    """Reads kernel sets block by block: a row's weights of a block have the gradient of that block's client alone.

    The quotient of the gradient for the pixels and for the block's mark is the image of a bin that holds one. Kept are
    quotients within the range of pixels that lie in the bin they came from; equal ones of a client count once. Of the
    others the mean public image is guessed, so that shares are of all images. Noise of known size, and entries that
    clients leave out, are taken into account as for an imprint.
    """

    paper: ClassVar = "https://arxiv.org/abs/2303.12233"
    cites: ClassVar = "zhao2024loki"

    @property
    def reads(self) -> frozenset[str]:
        return frozenset({LOKI})

    def adapts_to(self, chain: Chain) -> bool:
        return accounted(chain)

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"inputs"})

    def reconstruct(self, observation: Observation, rng: Generator) -> Reconstruction:  # noqa: ARG002
        planted = _planted_in(observation)
        require_gradient(observation)
        examples, blocks = observation.examples(), _blocks(observation, planted)
        most = {block: -(-examples * clients // len(observation.cohort)) for block, clients in blocks.items()}
        found = [_images(observation, planted, block, each) for block, each in most.items()]
        images = torch.cat(found)[:examples]
        if not len(images) and not observation.defense.noise_variance(observation.training):
            raise NotApplicable("no bin of the planted layer holds anything that could be an image")
        space, public = observation.task.space, observation.auxiliary
        rows = len(planted.layer.rows(observation.before))
        expected = sum(each * expected_share(each, rows) for each in most.values())
        return Reconstruction(
            inputs=space.clamped(images).float().reshape(-1, *space.shape),
            fallback=torch.full(space.shape, space.middle) if public is None else public.inputs.mean(0),
            note=f"{len(images)} of {examples} examples read from {rows} bins of each of {len(blocks)} blocks, where "
            f"{expected:.3g} are expected to be alone; by block: {', '.join(str(len(one)) for one in found)}",
        )


def _planted_in(observation: Observation) -> KernelSets:
    """The module that the server planted; raises `NotApplicable` where there is none."""
    if not any(one.name == LOKI for one in planted_by(observation.manipulations)):
        raise NotApplicable(
            "the server planted no kernel sets: this attack reads what the manipulation 'loki' has made"
        )
    if observation.masked:
        raise NotApplicable("the update is masked, so its entries are random: a readout needs the sum")
    planted = kernel_sets(observation.task.network)
    if planted is None:
        raise NotApplicable("no planted module is left in the network")
    return planted


def _blocks(observation: Observation, planted: KernelSets) -> dict[int, int]:
    """The blocks that have something, and of how many clients: those that the clients of the message were sent.

    Recordings that do not say which these were are read as of a round that nobody left.
    """
    cohort = observation.cohort
    if len(cohort) == 1:
        return {planted.own(observation.before): 1}
    return Counter(sorted(observation.parts or (place % planted.sets for place in range(len(cohort)))))


def _images(observation: Observation, planted: KernelSets, block: int, most: int) -> Tensor:
    """The distinct images of a block, so many at most, the loudest first; under known noise those that are likely."""
    rows = _rows(observation, planted, block)
    if observation.defense.noise_variance(observation.training) > 0:
        return likely_images(observation, rows, most)
    bins = rows.loud()
    bins = bins[bins.plausible(observation.task.space.bounds)]
    near = AGREEMENT * observation.task.space.extent
    images = torch.cat([bins.images, completed(observation, rows, bins.row)])
    groups = agreeing(images, torch.zeros(len(images), dtype=torch.float64), near)
    return images[[group[0] for group in groups]][:most]


def _rows(observation: Observation, planted: KernelSets, block: int) -> Rows:
    """As of an imprint that one client alone was sent; all blocks have the same rows."""
    layer, weights = planted.layer, observation.before
    front = pixelwise(observation, FirstLayer(weight=f"{planted.inside}kernels.weight", bias="", behind=""))
    rows, _ = planted.block(layer.rows(weights), block)
    direction = torch.nn.functional.normalize(rows.sum(0), dim=0)
    slopes = planted.factor(weights) * rows @ direction
    lower, order = (-weights.parameters[layer.bias].double() / slopes).sort()
    gains = layer.gains(weights)[order]
    gradient = observation.gradient()[layer.weight].double()
    pixels, marks = planted.block(gradient, block)
    pixels, marks = pixels[order] / gains[:, None], marks[order] / gains
    return Rows(
        weight=pixels,
        bias=marks,
        error=_noise(observation, layer) / gains.abs() + torch.finfo(torch.float32).eps * marks.abs(),
        lower=lower,
        upper=torch.cat([lower[1:], lower.new_full((1,), torch.inf)]),
        sent=planted.block(sent_entries(observation, layer.weight).double(), block)[0][order].bool(),
        direction=direction,
        front=front,
    )


def _noise(observation: Observation, layer: ImprintLayer) -> float:
    """Standard deviation of what defenses add to an entry of the mean gradient."""
    variance = observation.defense.noise_variance(observation.training) / len(observation.cohort)
    return float(variance**0.5) * length_of(observation, layer)
