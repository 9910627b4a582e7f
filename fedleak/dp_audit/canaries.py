"""Canaries: contributions that nobody would make by training, each along a direction of its own, with a sign by a coin.

Under replace-one nothing is further apart than what one canary makes of its two signs.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fedleak.errors import ConfigError
from fedleak.learning.weights import NamedTensors
from fedleak.randomness import generator, seed_of

Layout = Literal["whole", "layers", "layer", "apart"]
"""Where a direction has its norm: evenly over all entries, equally in every tensor, in the largest tensor alone, or in
entries of its own, which no other canary's direction has, so that all can be read off one sum."""


@dataclass(frozen=True, kw_only=True)
class Canaries:
    """So many canaries in an update of tensors of these sizes; the seed draws directions and coins."""

    count: int
    sizes: tuple[int, ...]
    """Entries of each tensor."""
    norm: float
    """Of what a canary contributes before any defense."""
    seed: int
    layout: Layout = "whole"

    def __post_init__(self) -> None:
        if self.layout == "apart" and self.count > self.entries:
            raise ConfigError(
                f"expected at most as many canaries as the update has entries, {self.entries}, where all are read off "
                f"one sum, got {self.count}; lower --canaries"
            )

    @classmethod
    def like(cls, tensors: NamedTensors, **options: object) -> "Canaries":
        """For updates that have these tensors."""
        return cls(sizes=tuple(value.numel() for value in tensors.values()), **options)  # type: ignore[arg-type]

    @property
    def entries(self) -> int:
        """Of an update."""
        return sum(self.sizes)

    def sign(self, canary: int, round: int) -> int:
        """Which of its two contributions a canary makes in a round: 1 or -1 by a coin."""
        return 1 if seed_of(self.seed, "coin", canary, round) % 2 else -1

    def direction(self, canary: int) -> Float[Tensor, " entries"]:
        """Of norm 1."""
        if self.layout == "apart":
            return torch.where(self._owners == canary, self._values, 0.0)
        if canary not in self._known:
            rng = generator(self.seed, "direction", canary)
            self._known.clear()  # one is used several times in a row, and all together may be larger than memory
            self._known[canary] = (2 * torch.randint(2, (self.entries,), generator=rng) - 1) * self._weights
        return self._known[canary]

    def contribution(self, canary: int, round: int) -> Float[Tensor, " entries"]:
        """What a canary adds to the weights in a round."""
        return self.sign(canary, round) * self.norm * self.direction(canary)

    def score(self, canary: int, moved: Float[Tensor, " entries"]) -> float:
        """What of an update lies along a canary's direction."""
        return float(torch.dot(self.direction(canary).double(), moved.double()))

    def scores(self, moved: Float[Tensor, " entries"]) -> Float[Tensor, " canaries"]:
        """The same for all canaries that are apart."""
        along = (self._values * moved).double()
        return torch.zeros(self.count, dtype=torch.float64).index_add_(0, self._owners, along)

    def along(self, scores: Float[Tensor, " canaries"]) -> Float[Tensor, " entries"]:
        """The sum of the directions of canaries that are apart, each as often as its score says."""
        return (scores[self._owners] * self._values).float()

    @cached_property
    def _known(self) -> dict[int, Float[Tensor, " entries"]]:
        return {}

    @cached_property
    def _weights(self) -> Float[Tensor, " entries"]:
        """Sizes of the entries of a direction."""
        sizes = torch.tensor(self.sizes)
        if self.layout == "layers":
            each = (len(sizes) * sizes.double()) ** -0.5
        elif self.layout == "layer":
            each = torch.zeros(len(sizes), dtype=torch.float64)
            each[sizes.argmax()] = sizes.max().double() ** -0.5
        else:
            each = torch.full((len(sizes),), self.entries**-0.5, dtype=torch.float64)
        return torch.repeat_interleave(each, sizes).float()

    @cached_property
    def _owners(self) -> Int[Tensor, " entries"]:
        """Whose each entry is, where they are apart."""
        order = torch.randperm(self.entries, generator=generator(self.seed, "owners"))
        return order % self.count

    @cached_property
    def _values(self) -> Float[Tensor, " entries"]:
        """The entry that it is of its owner's direction."""
        signs = 2 * torch.randint(2, (self.entries,), generator=generator(self.seed, "signs")) - 1
        return signs / torch.bincount(self._owners, minlength=self.count)[self._owners].sqrt()
