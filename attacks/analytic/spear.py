"""SPEAR: the whole batch, recovered exactly from a ReLU layer's gradient."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Generator

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.errors import NotApplicable
from fedleak.gradients.rank import CLEAR
from fedleak.settings.base import Count

from ..label_inference.auto_labels import AutoLabels
from ..parts.applicability import require_gradient
from ..parts.certificates import certifiable, certify
from ..parts.classifier_head.label_fit import labels_of
from ..parts.classifier_head.label_rule import LabelRule
from ..parts.linear_layers.disaggregation import MATCHED, Budget, Match, disaggregate
from ..parts.linear_layers.first_layer import FirstLayer, find_first_layer
from ..parts.linear_layers.inputs import Layer, polished, read_layer
from ..parts.linear_layers.neurons import unexplained
from ..parts.linear_layers.pixelwise import Pixelwise, pixelwise
from ..parts.linear_layers.row_space import certify_span, provable

SMOOTH = frozenset({"Sigmoid", "Tanh", "LeakyReLU", "ELU", "CELU", "SELU", "GELU", "SiLU", "Softplus", "Mish"})
"""Activations that leave no neuron asleep."""


@attacks.register("spear")
@dataclass(frozen=True, kw_only=True)
class SPEAR(Attack):
    """Splits the first layer's weight gradient into its examples by the zeros that the ReLU behind it leaves.

    The gradient is `D Xᵀ`, derivatives times inputs, of rank K for a batch of K. Any other factors of it are `L Q⁻¹`
    and `Q R`; the columns of the true D are the sparse ones among all `L q`, for an example's derivatives are zero at
    the neurons that it leaves asleep. A sparse column is found as the null vector of K - 1 random rows, all asleep by
    luck; the sparsest independent ones are the basis; the bias gradient scales them. The inputs are checked against the
    neurons they wake, and against the whole gradient.

    Beyond the paper: thresholds from the noise of rounding (or of a defense) estimated from the spectrum's tail;
    mixtures are split further; where luck would take too long, descents to sparse columns, whose cost does not double
    with each example; a last least-squares step under the network's own derivatives. Needs a first linear layer on the
    whole image with a bias and a ReLU behind it, and more neurons than examples. Several local steps, several clients
    and weak noise are no obstacle. Guesses come back for as many examples as the gradient carries above its noise.
    """

    paper: ClassVar = "https://arxiv.org/abs/2403.03945"
    cites: ClassVar = "dimitrov2024spear"
    samples: Count = 200_000
    """Null vectors at most; none where even with half of the neurons asleep that many would not do."""
    descents: Count = 5_000
    """Descents at most, once the samples are spent."""
    labels: LabelRule = AutoLabels()
    """The rule for labels where they do not follow from the images."""

    def reconstruct(self, observation: Observation, rng: Generator) -> Reconstruction:
        names = find_first_layer(observation.task)
        require_gradient(observation)
        front, layer = pixelwise(observation, names), read_layer(observation, names)
        _require_separable(observation, names, layer)
        match = disaggregate(layer, Budget(samples=self.samples, descents=self.descents), rng)
        return self._finished(observation, names, layer, front, match, rng)

    def _finished(
        self,
        observation: Observation,
        names: FirstLayer,
        layer: Layer,
        front: Pixelwise,
        match: Match,
        rng: Generator,
    ) -> Reconstruction:
        """The images made exact, with labels, and proved where they can be."""
        space = observation.task.space
        images = space.clamped(front.images(match.inputs)).reshape(-1, *space.shape)
        labels = labels_of(observation, images.float())
        if labels is not None and certifiable(observation):
            images = polished(observation, names, layer, front, images, labels)
        images = images.float()
        residual = None if labels is None else certify(observation, images, labels)
        inputs = front.features(images.double().flatten(1))
        span = certify_span(observation, layer, inputs)
        if not residual:
            inferred = self.labels.infer_if_applicable(observation, rng)
            labels = labels if inferred is None else inferred
        return Reconstruction(
            inputs=images,
            labels=labels,
            mismatch=unexplained(layer.gradient, inputs),
            certifiable=provable(observation),
            certificate="; ".join(test for test in (residual, span) if test) or None,
            note=_note(observation, match),
        )


def _require_separable(observation: Observation, names: FirstLayer, layer: Layer) -> None:
    """Raises `NotApplicable` where the layer's gradient cannot be split into examples."""
    factors, examples = layer.factors, observation.examples()
    awake = int(factors.awake.sum())
    if names.behind in SMOOTH:
        raise NotApplicable(
            f"behind the first layer is a {names.behind}, which leaves no neuron asleep, and SPEAR needs a ReLU"
        )
    if awake <= examples > 1:
        raise NotApplicable(
            f"{awake} neurons have a gradient, and to tell {examples} examples apart there must be more than that"
        )
    if factors.tail > CLEAR:
        raise NotApplicable(
            f"the gradient of '{names.weight}' has a rank above the {examples} of the reported examples: "
            "another number of examples, weight decay that is not known, or a defense"
        )
    if not factors.rank or not layer.bias_gradient.any():
        raise NotApplicable(
            f"nothing in the gradient of '{names.weight}' is above its noise (about {factors.noise:.0e} an entry)"
        )


def _note(observation: Observation, match: Match) -> str:
    """What speaks for the images, or against them."""
    count, examples = len(match.inputs), observation.examples()
    agreeing = int((match.agreement >= MATCHED).sum())
    carried = "" if count == examples else f"the gradient carries {count} of {examples} examples above its noise; "
    return f"{carried}{agreeing} of {count} images wake the neurons that the gradient says"
