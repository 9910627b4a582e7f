"""Latent inversion, GMI: gradient descent on a released model in the latent space of a generator of public images."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.released import Released
from fedleak.learning.space import InputSpace
from fedleak.settings.base import Amount, Count, Rate

from ..parts.engine.loop import Matching
from ..parts.engine.objective import Gradient, Guess, Objective, Variables
from ..parts.generators.autoencoder import fit_autoencoder
from ..parts.generators.gan import fit_gan
from ..parts.generators.latent_space import LatentSpace, enough
from ..parts.generators.linear import fit_principal_components
from ..parts.model_inversion.asked_classes import (
    SureEnough,
    asked_classes,
    log_odds,
    require_finite_scores,
    sure_enough,
)
from ..parts.optimizers.first_order import adam


@attacks.register("latent-inversion")
@dataclass(frozen=True, kw_only=True)
class LatentInversion(Attack[Released]):
    """Searches the latent space of a generator for an image that the model is sure shows the class.

    Whatever the model says, the guess looks like the public images, of other classes though they may be. Beyond the
    confidence that the model usually has, more is no gain: a search that goes on leaves the images that there are.
    Differences from the paper: a small latent space and a normal prior on it in place of the discriminator's verdict,
    Adam in place of momentum, the log-odds in place of the logarithm of the confidence.
    """

    paper: ClassVar = "https://arxiv.org/abs/1911.07135"
    cites: ClassVar = "zhang2020secret"
    generator: Literal["principal-components", "autoencoder", "gan"] = "principal-components"
    """What makes images of latents: a linear map, a variational autoencoder's decoder, or a GAN's generator."""
    dimensions: Count = 16
    """Latent coordinates."""
    steps: Count = 200
    restarts: Count = 4
    """Starts for each class, about the mean; that of the lowest own cost counts."""
    learning_rate: Rate = 0.1
    """Adam's first, in standard deviations of a coordinate over public images."""
    prior: Amount = 0.05
    """Weight of half the squared distance from the mean in those standard deviations, against nats of log-odds."""
    sure: SureEnough = None
    """The confidence beyond which more is no gain; None: 0.99, or what the model usually has of public examples."""
    training_steps: Count = 1000
    """Steps that an autoencoder or a GAN is trained for."""

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"representatives"})

    def reconstruct(self, observation: Released, rng: Generator) -> Reconstruction:
        classes = asked_classes(observation)
        require_finite_scores(observation)
        search = _Search(
            view=observation,
            classes=classes,
            latent=self._latent(observation, rng),
            prior=self.prior,
            enough=torch.tensor(sure_enough(observation, self.sure)).logit(),
        )
        start = {LATENTS: 0.5 * torch.randn(self.restarts, len(classes), search.latent.dimensions, generator=rng)}
        found = Matching(optimizer=adam(self.learning_rate), steps=self.steps).run(search, [start], rng)
        if found.failure:
            return found
        return Reconstruction(representatives=found.inputs, mismatch=found.mismatch, trace=found.trace)

    def _latent(self, view: Released, rng: Generator) -> LatentSpace:
        public = enough(view.auxiliary)
        if self.generator == "principal-components":
            return fit_principal_components(public, self.dimensions)
        fit = fit_autoencoder if self.generator == "autoencoder" else fit_gan
        return fit(view.task, public, self.dimensions, self.training_steps, rng)


LATENTS = "latents"


@dataclass(frozen=True, kw_only=True, eq=False)
class _Search(Objective):
    """`max(enough - log-odds, 0) + prior |z|² / 2`, the mean over starts and classes, each of which is by itself."""

    view: Released
    classes: Int[Tensor, " asked"]
    latent: LatentSpace
    prior: float
    enough: Float[Tensor, ""]

    @property
    def space(self) -> InputSpace:
        return self.view.task.space

    @property
    def vectorizes(self) -> bool:
        return False  # all starts are in one batch

    def loss(self, variables: Variables, gradient: Gradient) -> Float[Tensor, ""]:  # noqa: ARG002
        return self.costs(variables[LATENTS]).mean()

    def guess(self, variables: Variables) -> Guess:
        """The image of the start of the lowest cost, for each class."""
        with torch.no_grad():
            best = self.costs(variables[LATENTS]).argmin(0)
            images = self.latent.decode(variables[LATENTS][best, torch.arange(len(best))] * self.latent.scale)
        return Guess(images, self.classes)

    def project(self, variables: Variables) -> None:
        """Latents may be anywhere."""

    def costs(self, latents: Float[Tensor, "starts asked dimensions"]) -> Float[Tensor, "starts asked"]:
        images = self.latent.decode((latents * self.latent.scale).flatten(0, 1))
        scores = self.view.task.logits(self.view.weights, images, mode="eval")
        odds = log_odds(scores, self.classes.repeat(len(latents))).view(latents.shape[:2])
        return (self.enough - odds).clamp_min(0.0) + self.prior * 0.5 * latents.square().sum(2)
