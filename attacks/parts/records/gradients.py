"""Per-record gradients: the gradient that each record alone would give, as vectors that fit into memory."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, Int
from torch import Generator, Tensor

from fedleak.contracts.observation import Observation
from fedleak.learning.batch import Batch
from fedleak.learning.weights import NamedTensors
from fedleak.progress import report

LONGEST = 131_072
"""Entries of a vector at most: hundreds of them are kept."""
GROUP = 32
"""Vectors at a time."""


@dataclass(frozen=True)
class Sketch:
    """Adds entries up into fewer, each with a sign of its own: inner products stay the same but for a little noise.

    Their standard error is about `|a| |b| / sqrt(LONGEST)`. Vectors that are short enough are left alone. Source:
    count sketch, Charikar et al. 2002, https://doi.org/10.1016/S0304-3975(03)00400-6.
    """

    place: Int[Tensor, " entries"] | None
    sign: Float[Tensor, " entries"] | None

    @classmethod
    def of(cls, entries: int, rng: Generator) -> "Sketch":
        """For vectors of so many entries."""
        if entries <= LONGEST:
            return cls(None, None)
        place = torch.randint(LONGEST, (entries,), generator=rng)
        return cls(place, torch.randint(2, (entries,), generator=rng) * 2.0 - 1.0)

    def __call__(self, gradient: NamedTensors) -> Float[Tensor, " sketch"]:
        """All tensors flattened, joined and made short."""
        vector = torch.cat([value.reshape(-1) for value in gradient.values()]).float()
        if self.place is None or self.sign is None:
            return vector
        return torch.zeros(LONGEST).index_add_(0, self.place, vector * self.sign)


def example_gradients(
    observation: Observation, examples: Batch, sketch: Sketch
) -> Iterator[Float[Tensor, "group sketch"]]:
    """The gradient of each example at the weights that were sent, a group of rows at a time.

    In eval mode, where no example depends on its neighbors, and one backward pass each: grouping those too (`vmap`)
    was ten times slower on convolutions.
    """
    for group in torch.split(torch.arange(len(examples)), GROUP):
        report(int(group[0]), len(examples))
        yield torch.stack([sketch(_gradient(observation, examples[place])) for place in torch.split(group, 1)])


def _gradient(observation: Observation, record: Batch) -> NamedTensors:
    return observation.task.gradients(observation.before, record.inputs, record.labels, mode="eval")


# Whitened inner product of gradients.


@dataclass(frozen=True)
class Whitened:
    """`<a, b> = aᵀ S⁻¹ b`, S the second moment of public gradients plus a ridge.

    An update is the gradient of one candidate plus those of other examples, which look like public ones: against such
    noise this is the matched filter. S is never formed: with the public gradients as the rows of P and
    `G = P Pᵀ + n r I`, `S⁻¹ = (I - Pᵀ G⁻¹ P) / r`. Without public gradients it is the plain inner product.
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
