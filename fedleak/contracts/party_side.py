"""The party's side of a defense: what parties that hold columns do where the network is cut among them."""

from jaxtyping import Float, Num
from torch import Generator, Tensor


class PartySide:
    """What parties of split training do at the cut. What is not overridden leaves things as they are."""

    def embedding(self, sent: Float[Tensor, "*embedding"], rng: Generator) -> Float[Tensor, "*embedding"]:
        """What a passive party sends of one example in place of its embedding, of the same shape and precision.

        As long as the party's weights do not move, the same row has the same draws, in whatever company it is asked
        for. Differentiable: the party trains along the slope that comes back for what it sent.
        """
        return sent

    def penalty(
        self, inputs: Float[Tensor, "batch *own"], embedding: Float[Tensor, "batch *embedding"]
    ) -> Float[Tensor, ""] | None:
        """What a passive party adds to the mean loss that it trains its bottom network by; None: nothing.

        Differentiable in the embedding, which is the plain one.
        """
        return None

    def slope(
        self, slope: Float[Tensor, "batch *embedding"], labels: Num[Tensor, "batch *classes"], rng: Generator
    ) -> Float[Tensor, "batch *embedding"]:
        """What the active party sends another in place of the gradient of the mean loss for that party's embeddings.

        The active party's own gradient stays the plain one. Each party is sent what has draws of its own.
        """
        return slope


class KnownAtCut:
    """What whoever knows a defense at the cut can say of what it sends."""

    def expected_embedding(self, sent: Float[Tensor, "*embedding"]) -> Float[Tensor, "*embedding"]:
        """`embedding` of one example as a differentiable function of it alone; its mean, where it is random."""
        return sent
