"""Analytic inversion of a first linear layer: its input is read off its gradient."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float, Int
from torch import Generator, Tensor

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.errors import NotApplicable
from fedleak.gradients.rank import low_rank, rounding_of

from ..label_inference.auto_labels import AutoLabels
from ..parts.applicability import require_gradient
from ..parts.certificates import certifiable, certify
from ..parts.classifier_head.label_fit import labels_of
from ..parts.classifier_head.label_rule import LabelRule
from ..parts.linear_layers.first_layer import find_first_layer
from ..parts.linear_layers.neurons import activated_by_one, least_squares
from ..parts.linear_layers.pixelwise import pixelwise


@attacks.register("analytic-linear")
@dataclass(frozen=True, kw_only=True)
class AnalyticLinear(Attack):
    """Divides the first linear layer's weight gradient by its bias gradient: exact for one example, no iteration.

    Neuron i has `dL/dW_i = Σ_j c_ij x_j` and `dL/db_i = Σ_j c_ij`. One example: x is the least-squares quotient over
    all neurons. More: each neuron's quotient is a weighted mean of the examples that activate it, and an example
    where that is one alone; neurons that agree give that away, and make one least-squares quotient, so that noise
    averages out as it does for one example. Where no more were found, fewer guesses come back than there are
    examples.

    A guess that gives the observed gradient again, labels included, gets a certificate (see `parts.certificates`). Of
    one example that proves the image: with `dL/db` observed and not zero, `dL/dW = dL/db xᵀ` has one solution x. Of
    more it proves that no server can tell the guess from the truth by this update; other batches could give it too.
    """

    paper: ClassVar = "https://doi.org/10.1109/TIFS.2017.2787987"
    cites: ClassVar = "phong2018privacy"
    labels: LabelRule = AutoLabels()
    """The rule that the labels are inferred by."""

    def reconstruct(self, observation: Observation, rng: Generator) -> Reconstruction:
        layer = find_first_layer(observation.task)
        require_gradient(observation)
        gradient, examples = observation.gradient(), observation.examples()
        front, bias = pixelwise(observation, layer), gradient[layer.bias].double()
        weight = front.gradient(gradient[layer.weight].double(), bias)
        if not bias.any():
            raise NotApplicable(f"the gradient of '{layer.bias}' is zero: no neuron of that layer was active")
        if examples == 1:
            solved = least_squares(weight, bias)
        else:
            rounding = rounding_of(observation, layer.weight) / float(front.scale.abs().min())
            # A defense's noise is measured in the gradient's spectrum; without a defense there is only rounding.
            noise = low_rank(weight, examples, rounding).noise if observation.defense else rounding
            solved = activated_by_one(weight, bias, examples, noise, observation.task.space.bounds)
        if not len(solved.inputs):
            raise NotApplicable(f"none of {len(bias)} neurons has a quotient that could be an example")
        space = observation.task.space
        inputs = space.clamped(solved.inputs).float().reshape(-1, *space.shape)
        labels, certificate = self._labels(observation, inputs, rng)
        return Reconstruction(
            inputs=inputs,
            labels=labels,
            mismatch=solved.mismatch,
            certifiable=certifiable(observation),
            certificate=certificate,
            note=solved.note,
        )

    def _labels(
        self, observation: Observation, inputs: Float[Tensor, "guesses *shape"], rng: Generator
    ) -> tuple[Int[Tensor, "labels *classes"] | None, str | None]:
        """The labels, and the certificate; labels in the order of the images where they prove each other."""
        paired = labels_of(observation, inputs)
        certificate = None if paired is None else certify(observation, inputs, paired)
        if certificate:
            return paired, certificate
        inferred = self.labels.infer_if_applicable(observation, rng)
        return paired if inferred is None else inferred, None
