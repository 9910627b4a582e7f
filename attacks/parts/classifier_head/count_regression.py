"""Count regression: learns to count classes from sketches of gradients of simulated batches."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from threadpoolctl import threadpool_limits
from torch import Generator, Tensor

from .simulated_batches import Sketches

# Features of a class in a sketch, which mean the same for every class.

RESOLUTION = 1e3
"""Errors are resolved by their logarithm down to one over this."""


def described(sketches: Sketches, floor: float) -> Float[Tensor, "rows figures"]:
    """For each class of each batch the features that depend on its count, beside those of the whole batch."""
    bias, diagonal = sketches.bias, sketches.by_class.diagonal(dim1=1, dim2=2)
    from_others, to_others = sketches.by_class.sum(2) - diagonal, sketches.by_class.sum(1) - diagonal
    columns = sketches.columns
    lowest, sizes = columns.amin(2), columns.abs()
    figures = [
        *map(_logarithm, (bias, diagonal, from_others, to_others, lowest, columns.sum(2))),
        *(figure for value in (bias, diagonal) for figure in (_logarithm(_total(value)), _evenness(value))),
        (lowest < -floor).double().mean(1, keepdim=True),
        *map(_relative, (bias, diagonal)),
        *map(_rank, (bias, diagonal)),
        lowest / sizes.amax(2).clamp_min(1e-300),
        (-columns).clamp_min(0.0).sum(2) / sizes.sum(2).clamp_min(1e-300),
        (columns < -floor).double().mean(2),
        torch.arange(bias.shape[1]),
    ]
    return torch.stack([value.double().expand(bias.shape) for value in figures], 2).flatten(0, 1)


def _logarithm(values: Tensor) -> Tensor:
    return values.sign() * (RESOLUTION * values.abs()).log1p()


def _total(values: Float[Tensor, "batches classes"]) -> Float[Tensor, "batches 1"]:
    return values.abs().sum(1, keepdim=True)


def _evenness(values: Float[Tensor, "batches classes"]) -> Float[Tensor, "batches 1"]:
    """The entropy of what each class has of the total: low where a batch is of few classes."""
    shares = values.abs() / _total(values).clamp_min(1e-300)
    return -(shares * shares.clamp_min(1e-300).log()).sum(1, keepdim=True)


def _relative(values: Float[Tensor, "batches classes"]) -> Float[Tensor, "batches classes"]:
    return values / _total(values).clamp_min(1e-300)


def _rank(values: Float[Tensor, "batches classes"]) -> Float[Tensor, "batches classes"]:
    return values.argsort(dim=1, stable=True).argsort(dim=1, stable=True).double() / values.shape[1]


TRIAL = 0.1
"""Share of the simulated batches that rules are compared on."""
GOOD = 0.01
"""Share of a batch that a linear rule may put into wrong classes and still need no alternative."""


class Counter(ABC):
    """From sketches of a batch's gradient to each class's share of the batch."""

    @abstractmethod
    def shares(self, sketches: Sketches) -> Float[Tensor, "batches classes"]: ...

    def error(self, sketches: Sketches, truth: Float[Tensor, "batches classes"]) -> float:
        """The share of a batch that is put into wrong classes, on average."""
        return float((self.shares(sketches) - truth).abs().sum(1).mean()) / 2


@dataclass(frozen=True)
class Linear(Counter):
    """Least squares on the bias gradient and the sums of the rows: exact where examples fare alike (untrained)."""

    slope: Float[Tensor, "figures classes"]

    @classmethod
    def fitted(cls, sketches: Sketches, truth: Float[Tensor, "batches classes"]) -> "Linear":
        return cls(torch.linalg.lstsq(cls._figures(sketches), truth, driver="gelsd").solution)

    def shares(self, sketches: Sketches) -> Float[Tensor, "batches classes"]:
        return self._figures(sketches) @ self.slope

    @staticmethod
    def _figures(sketches: Sketches) -> Float[Tensor, "batches figures"]:
        constant = torch.ones_like(sketches.bias[:, :1])
        return torch.cat([constant, sketches.bias, sketches.columns.mean(2)], 1)


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What is the same for all batches."""

    floor: float
    """Entries not above it in size are zero: rounding."""
    examples: int | None
    """Examples of a batch; None where the gradient's length is unknown, and its bias gives no share."""

    def known(self, sketches: Sketches) -> Float[Tensor, "batches classes"]:
        """The mean bias gradient, by which shares differ from the mean posterior."""
        return sketches.bias / self.examples if self.examples else torch.zeros_like(sketches.bias)


@runtime_checkable
class Regression(Protocol):
    """What scikit-learn fitted."""

    def predict(self, figures: Any) -> Any: ...


@dataclass(frozen=True)
class Trees(Counter):
    """Gradient-boosted trees on what the gradient has of one class, the same for all classes; on one thread.

    What they learn is the mean posterior p̄, the one unknown of `n = K (p̄ - g_b)`.
    """

    trees: Regression
    view: Circumstances

    @classmethod
    def fitted(
        cls, sketches: Sketches, truth: Float[Tensor, "batches classes"], view: Circumstances, rng: Generator
    ) -> "Trees":
        # Imported here: scikit-learn takes a second to import, and every command reads the catalog of attacks.
        from sklearn.ensemble import HistGradientBoostingRegressor

        seed = int(torch.randint(2**31, (), generator=rng))
        trees = HistGradientBoostingRegressor(max_iter=120, early_stopping=False, random_state=seed)
        with threadpool_limits(1):
            trees.fit(described(sketches, view.floor).numpy(), (truth + view.known(sketches)).flatten().numpy())
        return cls(trees, view)

    def shares(self, sketches: Sketches) -> Float[Tensor, "batches classes"]:
        with threadpool_limits(1):
            predicted = self.trees.predict(described(sketches, self.view.floor).numpy())
        return torch.from_numpy(predicted).reshape(sketches.bias.shape) - self.view.known(sketches)


def best_counter(
    sketches: Sketches, truth: Float[Tensor, "batches classes"], view: Circumstances, rng: Generator
) -> Counter:
    """The rule that does best on simulated batches that it was not fitted to."""
    trial = max(int(TRIAL * len(truth)), 1)
    tried, fitted = sketches.part(slice(trial)), sketches.part(slice(trial, None))
    linear = Linear.fitted(fitted, truth[trial:])
    error = linear.error(tried, truth[:trial])
    if error <= GOOD:
        return linear
    trees = Trees.fitted(fitted, truth[trial:], view, rng)
    return linear if error <= trees.error(tried, truth[:trial]) else trees
