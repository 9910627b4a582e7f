"""APRIL: the one image behind a vision transformer's update, from linear equations given by its position embedding."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.errors import NotApplicable
from fedleak.settings.base import Count

from ..label_inference.auto_labels import AutoLabels
from ..parts.applicability import require_gradient
from ..parts.certificates import certifiable, certify
from ..parts.classifier_head.label_fit import labels_of
from ..parts.classifier_head.label_rule import LabelRule
from ..parts.linear_layers.first_layer import FirstLayer
from ..parts.linear_layers.pixelwise import pixelwise
from ..parts.patch_tokens import PatchTokens, find_tokens, sharpened

UNEXPLAINED = 0.1
"""Share of the equations' right side beyond which they do not hold, so that their solution is no guess."""


@attacks.register("april")
@dataclass(frozen=True, kw_only=True)
class April(Attack):
    """Solves `(dL/dz)ᵀ z = Σ Wᵀ dL/dW` over queries, keys and values for the tokens z, then undoes the embedding.

    A position that is added to the tokens has their derivative as its gradient: `dL/dz` is observed. Where z goes into
    the first attention alone, without normalization or residual, the equations hold; with no more tokens than
    features, and no fewer features than pixels of a patch, they have one solution. For one example and one step; the
    gradient's length does not matter.

    Beyond the paper: the embedding V itself obeys `(dL/dz)ᵀ x = dL/dV` for the patches x, whatever comes after it and
    however wide it is. Of the two images the one with fewer of its equations unexplained is taken, and sharpened with
    derivatives computed at the guess.
    """

    paper: ClassVar = "https://arxiv.org/abs/2112.14087"
    cites: ClassVar = "lu2022april"
    embedding: bool = True
    """Whether the embedding's own equations are solved too; without them the attack is the paper's."""
    iterations: Count = 8
    """How often the embedding's equations are solved again with derivatives computed at the guess."""
    labels: LabelRule = AutoLabels()
    """The rule that the labels are inferred by."""

    def reconstruct(self, observation: Observation, rng: Generator) -> Reconstruction:
        tokens = find_tokens(observation.task)
        require_gradient(observation)
        front = pixelwise(observation, FirstLayer(weight=tokens.weight, bias="", behind=""))
        _require_one_step(observation, tokens)
        solutions = [*self._solutions(observation, tokens)]
        if not solutions:
            raise NotApplicable(
                f"'{observation.task.name}' is not a transformer of the form that APRIL is for: it has no query, key "
                "and value layers that see the tokens and pixels; set `embedding = true`"
            )
        unexplained, patches = min(solutions, key=lambda solution: solution[0])
        if unexplained > UNEXPLAINED:
            raise NotApplicable(
                f"the tokens' equations leave {unexplained:.0%} unexplained: something comes between tokens and "
                "attention, more than one example is behind this update, or noise is; try 'inverting-gradients'"
            )
        images = observation.task.space.clamped(tokens.image(patches, observation.task, front)).float()
        paired = labels_of(observation, images)
        if paired is not None and self.embedding:
            images = sharpened(observation, tokens, front, images, paired, self.iterations)
        certificate = None if paired is None else certify(observation, images, paired)
        return Reconstruction(
            inputs=images,
            labels=paired if certificate else self.labels.infer_if_applicable(observation, rng),
            mismatch=unexplained**2,
            certifiable=certifiable(observation),
            certificate=certificate,
        )

    def _solutions(
        self, observation: Observation, tokens: PatchTokens
    ) -> Iterator[tuple[float, Float[Tensor, "tokens pixels"]]]:
        """Patches, each with the share of its equations that it leaves unexplained."""
        gradient, weights = observation.gradient(), observation.before.parameters
        by_token = gradient[tokens.position].double().flatten(0, 1)
        embedding = weights[tokens.weight].double().flatten(1)
        if tokens.projections and embedding.shape[0] >= embedding.shape[1]:
            right = torch.stack([weights[name].double().T @ gradient[name].double() for name in tokens.projections])
            solution, unexplained = _solve(by_token, right.sum(0))
            yield unexplained, (solution - tokens.offset(weights)) @ torch.linalg.pinv(embedding).T
        if self.embedding:
            solution, unexplained = _solve(by_token, gradient[tokens.weight].double().flatten(1))
            yield unexplained, solution


def _solve(
    by_token: Float[Tensor, "tokens width"], right: Float[Tensor, "width columns"]
) -> tuple[Float[Tensor, "tokens columns"], float]:
    """The least-squares solution z of `by_tokenᵀ z = right`, and the share of `right` that it leaves unexplained."""
    solution = torch.linalg.pinv(by_token.T) @ right
    return solution, float((by_token.T @ solution - right).norm() / right.norm().clamp(min=1e-300))


def _require_one_step(observation: Observation, tokens: PatchTokens) -> None:
    """Raises `NotApplicable` where the equations do not hold for this update: they are of one example and one step."""
    examples, steps = observation.examples(), observation.training.steps
    if observation.masked:
        raise NotApplicable("the update is masked, so its entries are random: APRIL needs a client's own gradient")
    if examples != 1:
        raise NotApplicable(
            f"APRIL is for one example, and {examples} are behind this update: try 'inverting-gradients'"
        )
    if steps not in {1, None}:
        raise NotApplicable(
            f"APRIL needs the gradient of one local step, and {steps} were made: try 'fedavg-inversion'"
        )
    if not observation.gradient()[tokens.position].any():
        raise NotApplicable(f"the gradient of '{tokens.position}' is zero: nothing says which patch is where")
