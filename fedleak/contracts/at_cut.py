"""At the cut: what a chain of defenses does where a network is cut, and which chains have a place there."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Num
from torch import Tensor

from fedleak.contracts.chaining import acting_on
from fedleak.contracts.defense import Defense, Place
from fedleak.errors import ConfigError
from fedleak.randomness import generator

AT_CUT: frozenset[Place] = frozenset({"embedding", "objective", "slopes"})
ANYWHERE: frozenset[Place] = frozenset({"requirements", "answers"})


@dataclass(frozen=True)
class AtCut:
    """A chain of defenses at the cut, each in the order of the chain."""

    defenses: tuple[Defense, ...]

    def embeddings(
        self, sent: Float[Tensor, "batch *embedding"], rows: Int[Tensor, " batch"], seed_key: tuple[object, ...]
    ) -> Float[Tensor, "batch *embedding"]:
        """What a passive party sends of the rows; `seed_key` names the party and its weights."""
        for place, defense in enumerate(self.defenses):
            if "embedding" in defense.acts_on:
                sent = torch.stack(
                    [
                        defense.embedding(one, generator(*seed_key, "embedding", place, row))
                        for one, row in zip(sent, rows.tolist(), strict=True)
                    ]
                )
        return sent

    def expected(self, sent: Float[Tensor, "batch *embedding"]) -> Float[Tensor, "batch *embedding"]:
        """What a passive party sends in the mean, as a differentiable function of what its network says."""
        for defense in acting_on(self.defenses, "embedding"):
            sent = torch.stack([defense.expected_embedding(one) for one in sent])
        return sent

    def penalty(
        self, inputs: Float[Tensor, "batch *own"], embedding: Float[Tensor, "batch *embedding"]
    ) -> Float[Tensor, ""] | None:
        """What a passive party trains by besides the slope that it is sent; None: nothing."""
        found = [defense.penalty(inputs, embedding) for defense in acting_on(self.defenses, "objective")]
        added = [one for one in found if one is not None]
        return torch.stack(added).sum() if added else None

    def slope(
        self,
        slope: Float[Tensor, "batch *embedding"],
        labels: Num[Tensor, "batch *classes"],
        seed_key: tuple[object, ...],
    ) -> Float[Tensor, "batch *embedding"]:
        """What the active party sends another; `seed_key` names that one, and the step."""
        for place, defense in enumerate(self.defenses):
            slope = defense.slope(slope, labels, generator(*seed_key, "slope", place))
        return slope


def require_place(defenses: Sequence[Defense], *, columns: bool) -> None:
    """Raises `ConfigError` where a defense acts on what there is not: at a cut, or on what clients with rows send."""
    for defense in defenses:
        if columns and defense.acts_on - AT_CUT - ANYWHERE:
            raise ConfigError(
                f"{defense.name} acts on what clients with rows of their own send or train, and these hold columns "
                '(federation.partition = "columns"); leave it out'
            )
        if not columns and defense.acts_on & AT_CUT:
            raise ConfigError(
                f"{defense.name} acts where a network is cut among parties that hold columns, and these clients have "
                'rows of their own; leave it out, or set federation.partition = "columns"'
            )
