"""Input space: what follows from a kind of example. Shape, range, starts of guesses, which are alike, how one looks."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Generator, Tensor

NEAR = 0.1
"""Standard deviation of a start about the middle, as a share of the range."""


class InputSpace(ABC):
    """A kind of example: values of one shape and within one range, and what follows from the two.

    Whoever guesses, compares or draws examples asks their space. A subclass is a frozen dataclass of plain values with
    a `kind` of its own, by which files name it.
    """

    kind: ClassVar[str]
    noun: ClassVar[str] = "example"
    """What one example is called."""
    kinds: ClassVar[dict[str, type["InputSpace"]]] = {}
    """Every kind that is defined, by name."""
    neighbors: ClassVar[tuple[int, ...]] = ()
    """The axes, counted from the last, along which values lie beside each other, as pixels do; none: order says
    nothing, so there is nothing to be smooth, and no area to have one color."""
    consecutive: ClassVar[bool] = False
    """Whether examples follow one another, as those of a text do: a client then holds a stretch of them."""
    continuous: ClassVar[bool] = True
    """Whether a model's answer follows small changes of a value, so that its slope says where to go."""

    def __init_subclass__(cls) -> None:
        InputSpace.kinds[cls.kind] = cls

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Of one example."""

    @property
    @abstractmethod
    def bounds(self) -> tuple[float, float]:
        """The least and the greatest value there can be."""

    @property
    @abstractmethod
    def words(self) -> str:
        """What the examples are, in the plural, for sentences and tables."""

    @property
    def fewest(self) -> int:
        """Examples that a client needs to hold so that one of them is whole."""
        return 1

    @property
    def classes(self) -> tuple[str, ...]:
        """What each label says, by class index, where the space knows it."""
        return ()

    @abstractmethod
    def picture(self, example: Float[Tensor, "*shape"]) -> Float[Tensor, "colors height_ width_"]:
        """What people are shown of an example: one color (gray) or three, in [0, 1], gray where it is not finite."""

    def said(self, example: Float[Tensor, "*shape"]) -> dict[str, str]:  # noqa: ARG002
        """An example in words, part by part; empty where a picture says it all."""
        return {}

    @property
    def extent(self) -> float:
        """From the least value to the greatest."""
        return self.bounds[1] - self.bounds[0]

    @property
    def middle(self) -> float:
        """The value between the two."""
        return (self.bounds[0] + self.bounds[1]) / 2

    def at(self, shares: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
        """The values at shares of the range: the least at 0, the greatest at 1."""
        return self.bounds[0] + self.extent * shares

    def shares(self, values: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
        """The shares of the range that values, clamped to it, are at."""
        return (self.clamped(values) - self.bounds[0]) / self.extent

    def start(self, count: int, rng: Generator) -> Float[Tensor, "count *shape"]:
        """Guesses to start from that owe nothing to the truth: the middle with normal noise, away from the ends."""
        return self.middle + NEAR * self.extent * torch.randn(count, *self.shape, generator=rng)

    def uniform(self, count: int, rng: Generator, dtype: torch.dtype = torch.float32) -> Float[Tensor, "count *shape"]:
        """Examples of independent values, uniform over the range."""
        return self.at(torch.rand(count, *self.shape, generator=rng, dtype=dtype))

    def clamped(self, values: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
        """The nearest values within the range."""
        return values.clamp(*self.bounds)

    def project_(self, values: Float[Tensor, "*any"]) -> None:
        """Puts values back into the range, in place."""
        values.clamp_(*self.bounds)

    def errors(self, guess: Float[Tensor, "*any"], truth: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
        """Guess, clamped to the range, minus truth, in units of the range."""
        return (self.clamped(guess) - truth) / self.extent

    def distances(
        self, guesses: Float[Tensor, "guesses *shape"], truth: Float[Tensor, "batch *shape"]
    ) -> Float[Tensor, "batch guesses"]:
        """How far each guess, clamped to the range, is from each true example: the sum of squared errors."""
        ours = self.clamped(guesses).flatten(1)
        return torch.cdist(truth.flatten(1), ours, compute_mode="donot_use_mm_for_euclid_dist").square()

    def variation(self, values: Float[Tensor, "batch *shape"]) -> Float[Tensor, ""]:
        """Total variation: the mean absolute difference of neighbors, summed over axes; small for what is smooth.

        Source: https://doi.org/10.1016/0167-2789(92)90242-F
        """
        total = values.new_zeros(())
        for axis in self.neighbors:
            side = values.shape[axis] - 1
            total = total + (values.narrow(axis, 1, side) - values.narrow(axis, 0, side)).abs().mean()
        return total

    def facts(self) -> dict[str, Any]:
        """The space as plain values, for files."""
        return {"kind": self.kind, **asdict(self)}  # type: ignore[call-overload]  # every subclass is a dataclass

    @classmethod
    def of_facts(cls, values: Mapping[str, Any]) -> "InputSpace":
        """The space that `facts` are of, without the kind; a list may stand for a tuple, as in JSON."""
        return cls(**values)
