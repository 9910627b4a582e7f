"""InstaHide (inside-dataset): mixtures of images under random signs of the pixels."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Generator, Tensor

from fedleak.contracts.defense import Defense, defenses
from fedleak.defenses.parts.mixtures import mixture, require_partners
from fedleak.errors import ConfigError
from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.settings.federation import FederationSettings

TRIES = 32


@defenses.register("instahide")
@dataclass(frozen=True, kw_only=True)
class InstaHide(Defense):
    """Trains on mixtures of `mixed` images with every pixel's sign flipped or not at random; labels are mixed likewise.

    Images to mix an example with come from the same round of the same client ("inside-dataset"); with fewer than
    `mixed` examples some are taken twice, and a round of a single one, which has nothing to mix, is refused. Partners
    are permutations, as in the paper: in a round of few an image may be its own, and is then not mixed at all. Signs
    are flipped about mid-gray, as the paper does with images in [-1, 1]: a flipped pixel is its negative, so inputs
    stay in [0, 1]. One encoding a round, the same in all epochs. Carlini et al. 2021 (https://arxiv.org/abs/2011.05315)
    undo encodings of known pixels by taking absolute values and solving for what several of them share; no attack here
    does.
    """

    paper: ClassVar = "https://arxiv.org/abs/2010.02772"
    cites: ClassVar = "huang2020instahide"
    mixes_examples: ClassVar[bool] = True
    mixed: Annotated[int, Field(ge=2, le=1000)] = 4
    """Images in a mixture, the example itself among them."""
    largest: Annotated[float, Field(gt=0, le=1)] = 0.65
    """No coefficient is larger; so `mixed` times it must be above 1."""

    def require(self, task: Task) -> None:
        if self.mixed * self.largest <= 1:
            raise ConfigError(
                f"instahide.largest: {self.mixed} coefficients of at most {self.largest:g} cannot have the sum 1; "
                f"take more than {1 / self.mixed:.3g}, or mix more images"
            )

    def settings(self, federation: FederationSettings) -> FederationSettings:
        if federation.batches == 1 and federation.batch_size == 1:
            raise ConfigError(
                f"'{self.name}' mixes the examples of a round with each other, and one batch of one example has none "
                "to mix: but for its signs the encoding is the image; raise federation.batch_size, or put "
                "'larger-batches' before it in the chain"
            )
        return federation

    def require_examples(self, held: int) -> None:
        require_partners(self.name, held)

    def examples(self, task: Task, examples: Batch, rng: Generator) -> Batch:
        count = len(examples)
        others = [torch.randperm(count, generator=rng) for _ in range(self.mixed - 1)]
        partners = torch.stack([torch.arange(count), *others])
        encoded = mixture(examples, task.classes, partners, self._coefficients(count, rng))
        flipped = (torch.rand(encoded.inputs.shape, generator=rng) < 0.5).to(encoded.inputs.device)
        mirrored = sum(task.space.bounds) - encoded.inputs
        return replace(encoded, inputs=torch.where(flipped, mirrored, encoded.inputs))

    def _coefficients(self, count: int, rng: Generator) -> Float[Tensor, "parts mixtures"]:
        """Uniform over the weights that sum to 1 with none too large, by rejection."""
        coefficients = self._drawn(count, rng)
        for _ in range(TRIES):
            refused = coefficients.amax(0) > self.largest
            coefficients = torch.where(refused, self._drawn(count, rng), coefficients)
        # What is still refused goes as far towards equal parts as it must.
        equal = 1 / self.mixed
        share = ((self.largest - equal) / (coefficients.amax(0) - equal).clamp_min(1e-9)).clamp(0, 1)
        return equal + share * (coefficients - equal)

    def _drawn(self, count: int, rng: Generator) -> Float[Tensor, "parts mixtures"]:
        amounts = -torch.rand((self.mixed, count), generator=rng).clamp_min(1e-7).log()
        return amounts / amounts.sum(0)
