"""Additive Gaussian noise."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Generator, Tensor

from fedleak.defense import Defense, defenses
from fedleak.update import Update


@defenses.register("gaussian-noise")
@dataclass(frozen=True, kw_only=True)
class GaussianNoise(Defense):
    """Adds independent N(0, std²) noise to every entry of the weight delta.

    `std` is absolute, on the delta as it is sent (so about learning_rate times what it is on a gradient). A privacy
    guarantee needs `clipping` before it and an accountant; this is the mechanism alone.
    """

    paper: ClassVar = "https://doi.org/10.1561/0400000042"
    bibtex: ClassVar = """@article{dwork2014algorithmic,
  title = {The Algorithmic Foundations of Differential Privacy},
  author = {Dwork, Cynthia and Roth, Aaron},
  journal = {Foundations and Trends in Theoretical Computer Science}, volume = {9}, number = {3--4},
  pages = {211--407}, year = {2014},
  url = {https://doi.org/10.1561/0400000042}
}"""
    std: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    """Standard deviation in units of a weight."""

    def protect(self, update: Update, rng: Generator) -> Update:
        vector = update.vector()
        return update.with_vector(vector + self.std * torch.randn(vector.shape, generator=rng))

    def misfit(self, given: Update, sent: Update) -> Float[Tensor, ""] | None:
        if self.std == 0:
            return None
        return (given.vector() - sent.vector()).square().sum() / (2 * self.std**2)
