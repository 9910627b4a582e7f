"""Regularised likelihood: columns that a known bottom network turns into what was sent."""

from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Generator, Tensor

from fedleak.contracts.attack import attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.errors import NotApplicable
from fedleak.learning.input_space import InputSpace
from fedleak.learning.space import require_continuous
from fedleak.settings.base import Amount, Count, Rate

from ..parts.cut import CutInversion, Inverted, Sender
from ..parts.engine.loop import Matching
from ..parts.engine.objective import Gradient, Guess, Objective, Variables
from ..parts.optimizers.first_order import adam


@attacks.register("regularised-likelihood")
@dataclass(frozen=True, kw_only=True)
class RegularisedLikelihood(CutInversion):
    """Descends to columns x with `|f(x) - z|² / |z|² + smoothness x TV(x)` least, f a sender's bottom network (rMLE).

    Both are means over numbers and rows. TV is the mean of `|difference of neighbors|^exponent`, summed over axes, and
    0 in a table. All rows go together in the mode in which they were sent: in train mode BatchNorm is a function of the
    batch, which is exactly that of the rows that are asked about, and a bottom with dropout is refused.
    Under a defense that changes embeddings the adversary knows by how much: the likelihood is then weighed as one of
    normal noise of that variance against a normal distribution of public examples, the mode of which is sought (MAP).
    Differences from the paper: the squared error counts in units of what was sent, so that one weight suits every
    depth, the rate falls along a half cosine, and columns are put back into their range after each step.
    """

    paper: ClassVar = "https://doi.org/10.1145/3359789.3359824"
    cites: ClassVar = "he2019model"
    needs: ClassVar[Literal["", "queries", "weights"]] = "weights"
    start: Literal["public-mean", "middle"] = "public-mean"
    """Where the search begins: at the mean of public examples where there are any, or in the middle of the range."""
    smoothness: Amount = 1e-2
    """The paper's lambda."""
    exponent: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 2.0
    """The paper's beta."""
    steps: Count = 1000
    learning_rate: Rate = 0.02
    """In units of the range of a column."""
    adaptive: bool = True
    """Whether it makes anything of knowing a defense."""

    def adapts_to(self, chain: Chain) -> bool:
        return self.adaptive and super().adapts_to(chain)

    def invert(self, sender: Sender, rng: Generator) -> Inverted:
        require_continuous(sender.space, "descent to columns")
        if not self.adaptive:
            sender = replace(sender, defense=Chain())
        variance = sender.noise_variance(rng)
        objective, start = self._posterior(sender, variance) if variance else self._likelihood(sender)
        found = Matching(optimizer=adam(self.learning_rate), steps=self.steps).run(objective, [start], rng)
        return _inverted(found)

    def _likelihood(self, sender: Sender) -> tuple[Objective, Variables]:
        public = sender.public if self.start == "public-mean" else None
        start = public_mean(sender.space, public).expand(len(sender.embeddings), *sender.space.shape)
        scale = 1 / float(sender.embeddings.square().mean().clamp_min(1e-30))
        return _Likelihood(sender=sender, scale=scale, smoothness=self.smoothness, exponent=self.exponent), {
            "inputs": start.clone()
        }

    def _posterior(self, sender: Sender, variance: float) -> tuple[Objective, Variables]:
        prior = Normal.of(sender.space, sender.public)
        start = torch.zeros(len(sender.embeddings), len(prior.mean))
        return _Posterior(sender=sender, variance=variance, prior=prior), {"whitened": start}


def _inverted(found: Reconstruction) -> Inverted:
    if found.inputs is None:
        raise NotApplicable(found.failure or "the search found nothing")
    return Inverted(found.inputs, found.mismatch, found.trace, found.note)


def power_variation(space: InputSpace, values: Float[Tensor, "batch *own"], exponent: float) -> Float[Tensor, " batch"]:
    """Of each example the mean of `|difference of neighbors|^exponent`, summed over axes; 0 where none are neighbors.

    Exponent 1 is total variation; 2 makes of an edge as much as of the ramp that it could be.
    """
    total = values.new_zeros(len(values))
    for axis in space.neighbors:
        side = values.shape[axis] - 1
        if side:
            steps = values.narrow(axis, 1, side) - values.narrow(axis, 0, side)
            total = total + steps.abs().pow(exponent).flatten(1).mean(1)
    return total


@dataclass(frozen=True)
class Normal:
    """A normal distribution of examples as rows: `mean + factor u` with u of independent N(0, 1) numbers."""

    mean: Float[Tensor, " values"]
    factor: Float[Tensor, "values values"]

    @classmethod
    def of(cls, space: InputSpace, public: Float[Tensor, "public *own"] | None) -> "Normal":
        """That of public examples, its covariance shrunk; without any as wide about the middle as the range is.

        Source of the shrinkage: Ledoit and Wolf 2004, https://doi.org/10.1016/S0047-259X(03)00096-4.
        """
        size = torch.Size(space.shape).numel()
        if public is None or len(public) < 2:
            return cls(torch.full((size,), space.middle), torch.eye(size) * space.extent / 12**0.5)
        # Imported only here: scikit-learn is slow to import, and most attacks do without.
        from sklearn.covariance import ledoit_wolf

        rows = public.flatten(1).double()
        covariance = torch.from_numpy(ledoit_wolf(rows.numpy())[0])
        ridge = 1e-6 * space.extent**2 * torch.eye(size, dtype=torch.float64)
        return cls(rows.mean(0).float(), torch.linalg.cholesky(covariance + ridge).float())

    def at(self, whitened: Float[Tensor, "batch values"]) -> Float[Tensor, "batch values"]:
        """The examples at such u."""
        return self.mean + whitened @ self.factor.T


def public_mean(space: InputSpace, public: Float[Tensor, "public *own"] | None) -> Float[Tensor, "*own"]:
    """The mean public example; the middle of the range where there is none."""
    return torch.full(space.shape, space.middle) if public is None else public.mean(0)


@dataclass(frozen=True, kw_only=True, eq=False)
class _OfSender(Objective):
    """Whatever is sought by what a sender's network says of it."""

    sender: Sender
    units: dict[str, float] = field(default_factory=dict)

    @property
    def space(self) -> InputSpace:
        return self.sender.space

    @property
    def vectorizes(self) -> bool:
        return False

    def unexplained(self, inputs: Float[Tensor, "asked *own"]) -> Float[Tensor, "asked *embedding"]:
        """What was sent minus what is sent of them in the mean."""
        rest: Tensor = self.sender.embeddings - self.sender.expected(self.sender.embed(inputs))
        return rest


@dataclass(frozen=True, kw_only=True, eq=False)
class _Likelihood(_OfSender):
    """The squared error in units of what was sent, plus the variation of the columns."""

    scale: float
    smoothness: float
    exponent: float

    def loss(self, variables: Variables, gradient: Gradient) -> Float[Tensor, ""]:  # noqa: ARG002
        inputs = variables["inputs"]
        fit = self.scale * self.unexplained(inputs).square().flatten(1).mean(1)
        return (fit + self.smoothness * power_variation(self.space, inputs, self.exponent)).sum()

    def guess(self, variables: Variables) -> Guess:
        return Guess(variables["inputs"])

    def project(self, variables: Variables) -> None:
        self.space.project_(variables["inputs"])


@dataclass(frozen=True, kw_only=True, eq=False)
class _Posterior(_OfSender):
    """`-log p(x | z)` in nats, up to a constant: normal noise about what the network says, and the prior's u."""

    variance: float
    prior: Normal

    def inputs(self, variables: Variables) -> Float[Tensor, "asked *own"]:
        """The columns at the variables."""
        whitened = variables["whitened"]
        return self.prior.at(whitened).reshape(len(whitened), *self.space.shape)

    def loss(self, variables: Variables, gradient: Gradient) -> Float[Tensor, ""]:  # noqa: ARG002
        error = self.unexplained(self.inputs(variables)).square().sum() / (2 * self.variance)
        return error + variables["whitened"].square().sum() / 2

    def guess(self, variables: Variables) -> Guess:
        return Guess(self.space.clamped(self.inputs(variables)))

    def project(self, variables: Variables) -> None:
        """Nothing has to be put back: what is beyond the range is clamped at the end."""
