"""Certified columns: one example's derivatives, found in a layer's gradient and proved by the head and the ReLU.

The gradient of a linear layer over K examples is `Σ_j d_j x_jᵀ` = `L R`, and each d_j is `L a_j` for an unknown a_j.
Where a ReLU and the head are behind the layer, `d_j = J e_j` at the neurons that example j wakes and 0 at the others,
with J the head's weight: n equations for the few unknowns of a_j and e_j, but for not knowing which of two each is.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

NOISE = 3.0
"""Root mean square error, in standard deviations of noise, up to which equations hold."""
MET = 4.5
"""The same for a single equation, when neurons are sorted."""
BROKEN = 7.0
"""Beyond this an equation is surely broken, at any number of neurons."""
MOST = 8
"""Dimensions of a space of candidates that is searched for proved ones."""
TRIALS = 200
"""Combinations that are tried in such a space, and how often the space may shrink."""
SHRINKS = 8
SHARES = (0.15, 0.25, 0.35, 0.5, 0.65, 0.8, 0.9, 1.0)
"""Shares of the neurons whose state a guess is trusted on, the surest first."""


@dataclass(frozen=True, kw_only=True)
class Space:
    """Unit vectors a that meet equations best, column by column, each with its e, and their errors."""

    errors: Float[Tensor, " rank"]
    columns: Float[Tensor, "rank rank"]
    residuals: Float[Tensor, "free rank"]

    @property
    def candidates(self) -> int:
        """How many meet them down to the noise."""
        return int((self.errors < NOISE).sum())


@dataclass(frozen=True, kw_only=True)
class Proved:
    """One example: its derivatives are `L a`, up to a factor, and its label."""

    a: Float[Tensor, " rank"]
    label: int


class Columns:
    """The equations of a layer, in units of the noise."""

    def __init__(
        self,
        left: Float[Tensor, "neurons rank"],
        noise: float,
        jacobian: Float[Tensor, "neurons classes"],
        rng: Generator,
    ) -> None:
        self.left, self.rank, self.rng = left / noise, left.shape[1], rng
        # Residuals sum to zero, so one unknown less.
        self.free = torch.linalg.svd(torch.ones(1, jacobian.shape[1], dtype=left.dtype)).Vh[1:].T
        self.head = (jacobian / jacobian.norm() * self.left.norm()) @ self.free
        self.all_but = 0  # equations that a proof may leave broken

    def find(self, sums: Float[Tensor, " neurons"]) -> Proved | None:
        """The example whose neurons sum up to about `sums`; None where no proof is found."""
        asleep, awake = sums.argsort()[: int((sums < 0).sum())], sums.argsort(descending=True)[: int((sums >= 0).sum())]
        for share in SHARES:
            zero, other = asleep[: int(share * len(asleep))], awake[: int(share * len(awake))]
            space = self.fit(zero, other)
            if space is None or space.candidates > MOST:
                continue
            if not space.candidates:
                break  # a wrong neuron among the surest: more of them will not do either
            if (proved := self._prove(space)) is not None:
                return proved
        return None

    def fit(self, zero: Int[Tensor, " asleep"], other: Int[Tensor, " awake"]) -> Space | None:
        """Least squares over unit vectors a and any e of `L a = 0` at some neurons and `L a = J e` at others."""
        equations = len(zero) + len(other) - self.head.shape[1]
        if equations < self.rank + 4 or len(other) <= self.head.shape[1]:
            return None
        basis, triangle = torch.linalg.qr(self.head[other])
        asleep, awake = self.left[zero], self.left[other]
        rest = awake - basis @ (basis.T @ awake)
        values, columns = torch.linalg.eigh((asleep.T @ asleep + rest.T @ rest) / equations)
        if not bool(triangle.diagonal().abs().min() > 1e-9 * triangle.diagonal().abs().max()):
            return None
        residuals = torch.linalg.solve_triangular(triangle, basis.T @ (awake @ columns), upper=True)
        return Space(errors=values.clamp_min(0.0).sqrt(), columns=columns, residuals=residuals)

    def proved(self, space: Space) -> Proved:
        """The best vector of a space; its residual `p - y` has one entry of its own sign, that of the label."""
        residual = self.free @ space.residuals[:, 0]
        lone = residual.argmax() if int((residual > 0).sum()) == 1 else residual.argmin()
        return Proved(a=space.columns[:, 0], label=int(lone))

    def _prove(self, space: Space) -> Proved | None:
        """Shrinks a space of candidates to one that meets an equation at every neuron.

        Examples that wake nearly the same neurons are candidates together, and so is all between them. Each alone meets
        one of the two equations at every neuron; a mixture breaks both where its parts are in different states.
        """
        candidates = space.candidates
        for _ in range(SHRINKS):
            a, e = self._best(space.columns[:, :candidates], space.residuals[:, :candidates])
            if a is None or e is None:
                return None
            zero, other = (self.left @ a).abs(), (self.left @ a - self.head @ e).abs()
            asleep = zero < MET
            refitted = self.fit(torch.nonzero(asleep)[:, 0], torch.nonzero(~asleep & (other < MET))[:, 0])
            if refitted is None or not 0 < refitted.candidates <= candidates:
                return None
            if refitted.candidates == 1 and self._holds(refitted.columns[:, 0], refitted.residuals[:, 0]):
                return self.proved(refitted)
            if candidates == 1:
                return None
            space, candidates = refitted, min(refitted.candidates, candidates - 1)
        return None

    def _best(
        self, columns: Float[Tensor, "rank candidates"], residuals: Float[Tensor, "free candidates"]
    ) -> tuple[Tensor | None, Tensor | None]:
        """The combination that meets the most equations, out of many that each meet a few at random."""
        zero = self.left @ columns
        other = zero - self.head @ residuals
        candidates = columns.shape[1]
        weights = torch.ones(1, 1, dtype=columns.dtype)
        if candidates > 1:
            decisive = torch.nonzero((zero.abs().amax(1) > 2 * MET) & (other.abs().amax(1) > 2 * MET))[:, 0]
            if len(decisive) < candidates - 1:
                return None, None
            drawn = torch.rand(TRIALS, len(decisive), generator=self.rng).argsort(1)[:, : candidates - 1]
            asleep = torch.rand(drawn.shape, generator=self.rng) < 0.5
            rows = torch.where(asleep[..., None], zero[decisive[drawn]], other[decisive[drawn]])
            weights = torch.linalg.svd(rows, full_matrices=True).Vh[:, -1]
        met = torch.minimum((zero @ weights.T).abs(), (other @ weights.T).abs()) < MET
        best = weights[int(met.sum(0).argmax())]
        a, e = columns @ best, residuals @ best
        return a / a.norm(), e / a.norm()

    def _holds(self, a: Float[Tensor, " rank"], e: Float[Tensor, " free"]) -> bool:
        """Whether an equation is met at every neuron, and e is a softmax's residual: of one sign but for the label."""
        zero, other = (self.left @ a).abs(), (self.left @ a - self.head @ e).abs()
        broken = int((torch.minimum(zero, other) >= BROKEN).sum())
        return broken <= self.all_but and int((self.free @ e > 0).sum()) in (1, len(self.free) - 1)
