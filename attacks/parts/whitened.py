"""An inner product of gradients that discounts what gradients of such data have in common anyway."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor


@dataclass(frozen=True)
class Whitened:
    """`<a, b> = aᵀ S⁻¹ b`, S the second moment of public gradients plus a ridge.

    An update is the gradient of one candidate plus those of strangers, which look like public ones: against such noise
    this is the matched filter. S is never formed: with the public gradients as the rows of P and `G = P Pᵀ + n r I`,
    `S⁻¹ = (I - Pᵀ G⁻¹ P) / r`. Without public gradients it is the plain inner product.
    """

    public: Float[Tensor, "examples entries"]
    inverse: Float64[Tensor, "examples examples"]
    ridge: float

    @classmethod
    def by(cls, public: Float[Tensor, "examples entries"], share: float) -> "Whitened":
        """`share` is the ridge in units of the mean variance among the directions that the public gradients span."""
        gram = (public @ public.T).double()
        mean = float(gram.trace()) / max(len(public), 1) ** 2
        ridge = share * mean if mean > 0 else 1.0
        inverse = torch.linalg.inv(gram + len(public) * ridge * torch.eye(len(public), dtype=torch.float64))
        return cls(public, inverse, ridge)

    def cosines(
        self, many: Float[Tensor, "vectors entries"], other: Float[Tensor, " entries"]
    ) -> Float64[Tensor, " vectors"]:
        """The inner product of each vector with `other` over its own length, which orders them as the cosine does."""
        mine, theirs = (many @ self.public.T).double(), (self.public @ other).double()
        lengths = many.double().square().sum(1) - (mine @ self.inverse * mine).sum(1)
        products = many.double() @ other.double() - mine @ (self.inverse @ theirs)
        cosines: Tensor = products / lengths.clamp_min(1e-300).sqrt()
        return cosines
