"""Mask search: opens a message under Flower's secure aggregation by trying the seeds of its masks."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import Generator, Tensor

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.observation import MaskedVector, Observation
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.errors import NotApplicable
from fedleak.learning.update import Update, UpdateKind
from fedleak.learning.weights import NamedTensors, frozen_in

from ..parts.masks.seed_search import Elements, Masked, search
from ..parts.masks.twister import mask

PROTOCOL = "secure-aggregation-flower"
SEEDS = 2**28
"""Pairwise masks are drawn from 32 bits that are folded from text, whose bytes have their highest bit unset."""
MOST_PEERS = 2


@attacks.register("mask-search")
@dataclass(frozen=True, kw_only=True)
class MaskSearch(Attack):
    """Takes the masks off a single message under Flower's SecAgg+, and goes on with another attack on what was below.

    Pairwise masks are Mersenne Twisters with seeds of 28 bits. The own mask has one of 32 bits, which the server opens
    itself to remove it; the count is in the clear, and so the first element. With one neighbour all seeds are tried on
    that; with two they meet in the middle. What remains must be on the grid in every element, which proves it.
    """

    paper: ClassVar = "https://doi.org/10.1145/272991.272995"
    cites: ClassVar = "matsumoto1998mersenne"
    attack: Attack
    """The attack that is run on the update in the clear."""
    seeds: Annotated[int, Field(ge=1, le=SEEDS)] = 268435456
    """How many seeds are tried, in their order; all: 2^28."""

    @property
    def targets(self) -> frozenset[Kind]:
        return self.attack.targets

    def adapts_to(self, chain: Chain) -> bool:
        return _options(chain) is not None or self.attack.adapts_to(chain)

    def reconstruct(self, observation: Observation, rng: Generator) -> Reconstruction:
        opened, words = self._opened(observation)
        guess = self.attack.reconstruct(opened, rng)
        return replace(guess, note=f"{words}; {guess.note}" if guess.note else words)

    def _opened(self, observation: Observation) -> tuple[Observation, str]:
        """The message without its masks, and what they were."""
        options, vector = _options(observation.defense), observation.masked_vector
        if options is None or vector is None or not observation.masked:
            raise NotApplicable(
                f"there is no mask to search for: this is no single message under '{PROTOCOL}', whose seeds are short"
            )
        masked, peers = _bare(observation, vector, options), vector.peers
        if peers is None or not 1 <= peers <= MOST_PEERS:
            raise NotApplicable(
                f"the client has masks with {'an unknown number of' if peers is None else peers} others, and seeds can "
                f"be tried for {MOST_PEERS} at most: 2^28 for one, two meet in the middle"
            )
        found = search(masked, peers, self.seeds)
        if found is None:
            raise NotApplicable(f"none of {self.seeds:,} seeds takes the masks off; the rest of 2^28 is left to try")
        seeds = " and ".join(f"{seed:#010x}" for _, seed in found)
        return _clear(observation, masked.below(found), options), f"opened by mask seed{'s' * (peers > 1)} {seeds}"


def _options(chain: Chain) -> Mapping[str, Any] | None:
    """The protocol's options, where the chain has it."""
    protocol = chain.protocol
    return protocol.options() if protocol is not None and protocol.protocol == PROTOCOL else None


def _bare(observation: Observation, vector: MaskedVector, options: Mapping[str, Any]) -> Masked:
    """The vector without its own mask, with what is known of what is below the others."""
    if vector.own_seed is None or observation.num_examples is None:
        raise NotApplicable(
            "the round was lost before the server learned the seed of the client's own mask, or the count is unknown; "
            "both together with pairwise masks are too many seeds to try"
        )
    elements, modulus = vector.elements.numpy(), options["modulus_range"]
    return Masked(
        elements=(elements - mask(vector.own_seed, modulus, len(elements))) % modulus,
        weight=_weight(observation.num_examples, options),
        greatest=options["quantization_range"],
        modulus=modulus,
    )


def _weight(examples: int, options: Mapping[str, Any]) -> int:
    """What a client multiplies its weights by, in steps of the grid."""
    steps: float = examples / options["max_weight"] * options["quantization_range"]
    return round(steps)


def _clear(observation: Observation, bare: Elements, options: Mapping[str, Any]) -> Observation:
    """The observation of a client's update as it was below its masks, up to the steps of the grid."""
    half, steps = options["clipping_range"], options["quantization_range"]
    weight = _weight(observation.num_examples or 0, options) / steps
    values = (torch.from_numpy(bare[1:]).double() * (2 * half / steps) - half) / weight
    state, before = _by_name(observation, values), observation.before
    delta = {name: (state[name] - value.double()).to(value.dtype) for name, value in before.parameters.items()}
    withheld = observation.defense.withheld(observation.task)
    buffers = {
        name: (state[name] if value.is_floating_point() else state[name].round()).to(value.dtype)
        for name, value in before.buffers.items()
        if name in state and name not in withheld
    }
    return replace(
        observation,
        update=Update(delta, UpdateKind.DELTA),
        buffers_after=buffers or None,
        defense=observation.defense.local,
        masked=False,
        masked_vector=None,
    )


def _by_name(observation: Observation, values: Tensor) -> NamedTensors:
    """The values under the names and in the shapes of what clients send: all but what is not trained."""
    frozen = frozen_in(observation.task.network)
    sent = {name: value for name, value in observation.before.state_dict().items() if name not in frozen}
    pieces = torch.split(values, [math.prod(value.shape) for value in sent.values()])
    return {name: piece.reshape(value.shape) for (name, value), piece in zip(sent.items(), pieces, strict=True)}
