"""Deflation: a layer's gradient taken apart into its examples, one proved after the other."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from fedleak.progress import report

from .ica import Contrast, independent
from .mixture import Mixture
from .proved_columns import Columns, Proved

SAME = 1e-5
"""One minus the cosine of two derivatives that are one example's."""
PATIENCE = 4
"""Rounds without a new proof after which the rest stays a guess."""
RANGE = 1.5
"""How far from mid-gray, in units of the image range, a candidate may reach."""


@dataclass(frozen=True, kw_only=True)
class Peeled:
    """The unmixing matrix, and the labels of its first rows: of those that are proved."""

    unmixing: Float[Tensor, "rank rank"]
    labels: tuple[int, ...]


class Peeling:
    """Independent components give guesses; proved ones are taken out; the rest is easier to separate.

    A proved a_j is a column of `U⁻¹`, so every other row of U is orthogonal to it. Where no guess leads to a proof,
    random mixtures of the guesses that are left are tried: few dimensions, so they soon come near.
    """

    def __init__(self, mixture: Mixture, contrast: Contrast, searches: int, rng: Generator) -> None:
        self.mixture, self.contrast, self.searches, self.rng = mixture, contrast, searches, rng
        self.proved = mixture.left.new_zeros(0, mixture.rank)
        self.labels: list[int] = []

    def run(self) -> Peeled:
        """Peels until all is proved or nothing new is."""
        if self.mixture.jacobian is None:
            return Peeled(unmixing=self._separate(), labels=())
        columns = Columns(self.mixture.left, self.mixture.noise, self.mixture.jacobian, self.rng)
        idle = 0
        while len(self.proved) < self.mixture.rank and idle < PATIENCE:
            report(len(self.proved), self.mixture.rank)
            rows = self._separate()
            if len(rows) == 1:
                self._finish(columns, rows)
                break
            columns.all_but = idle // 2  # one equation may be off by more than noise, where nothing else helps
            before = len(self.proved)
            self._prove(columns, torch.cat([rows, self._mixtures(rows, idle)]) if idle else rows)
            idle = 0 if len(self.proved) > before else idle + 1
        return Peeled(unmixing=self._unmixing(), labels=tuple(self.labels))

    def _separate(self) -> Float[Tensor, "rest rank"]:
        """Rows of U for what is not proved, as independent components of what is orthogonal to the proved."""
        return self._components(self._rest())

    def _components(self, rest: Float[Tensor, "rest rank"]) -> Float[Tensor, "rest rank"]:
        rows = independent(self.contrast(rest @ self.mixture.right), self.rng) @ rest
        return rows / (rows @ self.mixture.ones)[:, None]

    def _rest(self) -> Float[Tensor, "rest rank"]:
        if not len(self.proved):
            return torch.eye(self.mixture.rank, dtype=self.proved.dtype)
        rest: Tensor = torch.linalg.svd(self.proved).Vh[len(self.proved) :]
        return rest

    def _mixtures(self, rows: Float[Tensor, "rest rank"], idle: int) -> Float[Tensor, "mixtures rank"]:
        """Random combinations near each guess, wider the longer nothing was found, that could be inputs."""
        rest = len(rows)
        near = torch.eye(rest, dtype=rows.dtype)[torch.randint(rest, (self.searches,), generator=self.rng)]
        width = (0.5 + 0.5 * idle) * torch.rand(self.searches, 1, generator=self.rng, dtype=rows.dtype)
        drift = torch.randn(self.searches, rest, generator=self.rng, dtype=rows.dtype)
        weights = near + width * drift / rest**0.5
        mixed: Tensor = weights / weights.sum(1, keepdim=True) @ rows
        low, high = self.mixture.bounds
        reach = (self.mixture.inputs(mixed) - (low + high) / 2).abs().amax(1)
        return mixed[reach < RANGE * (high - low)] if high < float("inf") else mixed

    def _prove(self, columns: Columns, rows: Float[Tensor, "guesses rank"]) -> None:
        for sums in self._sums(rows):
            proved = columns.find(sums)
            if proved is None or self._known(proved.a):
                continue
            self._keep(proved)
            if len(self.proved) == self.mixture.rank:
                return

    def _keep(self, proved: Proved) -> None:
        self.proved = torch.cat([self.proved, proved.a[None]])
        self.labels.append(proved.label)

    def _known(self, row: Float[Tensor, " rank"]) -> bool:
        column, columns = self.mixture.left @ row, self.proved @ self.mixture.left.T
        cosines = (columns @ column).abs() / (columns.norm(dim=1) * column.norm())
        return bool((cosines > 1 - SAME).any())

    def _sums(self, rows: Float[Tensor, "guesses rank"]) -> Float[Tensor, "guesses neurons"]:
        inputs = self.mixture.inputs(rows).clamp(*self.mixture.bounds)
        sums: Tensor = inputs @ self.mixture.weight.T + self.mixture.bias
        return sums

    def _finish(self, columns: Columns, row: Float[Tensor, "1 rank"]) -> None:
        """The last one has no freedom left: its input is known, and so are the neurons that it wakes."""
        sums = self._sums(row)[0]
        space = columns.fit(torch.nonzero(sums < 0)[:, 0], torch.nonzero(sums > 0)[:, 0])
        if space is not None:
            self._keep(columns.proved(space))

    def _unmixing(self) -> Float[Tensor, "rank rank"]:
        """All rows: exact where all is proved, else each the guess that agrees with the proofs there are."""
        if len(self.proved) == self.mixture.rank:
            unmixing: Tensor = torch.linalg.pinv(self.proved).T
            return unmixing
        if not len(self.proved):
            return self._separate()
        rest, guesses = self._rest(), self._guesses_of_proved()
        dual = torch.linalg.pinv(self.proved).T
        scale = (guesses * dual).sum(1) / dual.square().sum(1)
        agreeing = scale[:, None] * dual + guesses @ rest.T @ rest
        return torch.cat([agreeing, self._separate()])

    def _guesses_of_proved(self) -> Float[Tensor, "proved rank"]:
        """For each proved example the independent component of the whole mixture that is most like it, each once.

        Its derivatives are proved, its input is not: that row of U is free among the others. The guess that led to
        the proof may have been far from it.
        """
        rows = self._components(torch.eye(self.mixture.rank, dtype=self.proved.dtype))
        loudness = (self.mixture.left @ torch.linalg.pinv(rows)).norm(dim=0)
        shares = (self.proved @ rows.T).abs() * loudness
        shares /= shares.norm(dim=1, keepdim=True)
        chosen = torch.zeros(len(self.proved), dtype=torch.long)
        for _ in range(len(chosen)):
            example, row = divmod(int(shares.argmax()), shares.shape[1])
            chosen[example] = row
            shares[example], shares[:, row] = -1.0, -1.0
        return rows[chosen]
