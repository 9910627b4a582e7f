"""Linear mixture: a linear layer's gradient as a mixture of the layer's inputs, and when it can be unmixed."""

from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.errors import NotApplicable

from ..certificates import certifiable, certify
from ..classifier_head.label_fit import labels_of
from .first_layer import FirstLayer, Front, head_behind_relu
from .inputs import Layer, refitted
from .neurons import unexplained
from .row_space import certify_span, provable

PROBES = 4
"""Random images that show whether the layer's inputs can be negative."""


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """A linear layer's gradient `left @ right` over its neurons and inputs, and its weights.

    The inputs are `U @ right` for an unknown unmixing matrix U, and by the bias gradient `U @ ones` is 1.
    """

    left: Float[Tensor, "neurons rank"]
    right: Float[Tensor, "rank features"]
    ones: Float[Tensor, " rank"]
    noise: float
    weight: Float[Tensor, "neurons features"]
    bias: Float[Tensor, " neurons"]
    jacobian: Float[Tensor, "neurons classes"] | None
    """The head's weight, where it and a ReLU are behind the layer."""
    bounds: tuple[float, float]
    """What the layer's inputs lie between."""

    @classmethod
    def of(cls, observation: Observation, front: Front, layer: Layer, rng: Generator) -> "Mixture":
        """The gradient of the layer behind a front; defined where `require_separable` finds nothing wrong."""
        factors = layer.factors
        ones = torch.linalg.lstsq(factors.left, layer.bias_gradient[factors.awake, None]).solution[:, 0]
        jacobian = head_behind_relu(observation, front, rng)
        with torch.no_grad():
            features = front(observation.task.space.uniform(PROBES, rng))
        low = 0.0 if bool((features >= 0).all()) else -torch.inf
        bounds = observation.task.space.bounds if front.is_empty() else (low, torch.inf)
        return cls(
            left=factors.left,
            right=factors.right,
            ones=ones,
            noise=factors.noise,
            weight=layer.weight[factors.awake],
            bias=layer.bias[factors.awake],
            jacobian=None if jacobian is None else jacobian[factors.awake],
            bounds=bounds,
        )

    @property
    def rank(self) -> int:
        """How many inputs there are to separate."""
        return self.left.shape[1]

    def inputs(self, unmixing: Float[Tensor, "rows rank"]) -> Float[Tensor, "rows features"]:
        """The inputs that rows of an unmixing matrix stand for; the bias gradient gives each its sign and scale."""
        scale = unmixing @ self.ones
        scale = torch.where(scale.abs() > 1e-12 * unmixing.norm(dim=1), scale, torch.ones_like(scale))
        return (unmixing / scale[:, None]) @ self.right


def require_separable(observation: Observation, names: FirstLayer, layer: Layer) -> None:
    """Raises `NotApplicable` where the layer's gradient cannot be unmixed."""
    neurons, examples = int(layer.factors.awake.sum()), observation.examples()
    features = int(layer.gradient.any(0).sum())
    if not layer.factors.rank or not layer.bias_gradient.any():
        raise NotApplicable(
            f"nothing in the gradient of '{names.weight}' is above its noise (about {layer.factors.noise:.0e} an entry)"
        )
    if neurons < examples:
        raise NotApplicable(
            f"the first linear layer, '{names.weight}', has {neurons} neurons with a gradient, and to unmix {examples} "
            "examples there must be as many: smaller batches, or gradient matching"
        )
    if features < examples:
        raise NotApplicable(
            f"'{names.weight}' has {features} inputs with a gradient, and {examples} examples that are mixed in so few "
            "dimensions cannot be told apart: smaller batches, or gradient matching"
        )


def images_seen(
    observation: Observation,
    front: Front,
    layer: Layer,
    inputs: Float[Tensor, "rank features"],
    proved: Int[Tensor, " rank"] | None,
) -> Reconstruction:
    """The inputs as images, made exact where all of the gradient can be explained, with what proves them.

    Labels are those that are proved already, else those that the certificate proves; None where neither is.
    """
    shape = observation.task.shape
    labels = labels_of(observation, inputs.reshape(-1, *shape).float()) if proved is None else proved
    if labels is not None and len(inputs) == observation.examples() and certifiable(observation):
        inputs = refitted(inputs, layer.gradient, partial(_derivatives, front, labels), observation.task.space.bounds)
    images = inputs.reshape(-1, *shape).float()
    residual = None if labels is None else certify(observation, images, labels)
    span = certify_span(observation, layer, images.double().flatten(1))
    return Reconstruction(
        inputs=images,
        labels=labels if residual else proved,
        mismatch=unexplained(layer.gradient, inputs),
        certifiable=provable(observation),
        certificate="; ".join(test for test in (residual, span) if test) or None,
    )


def _derivatives(
    front: Front, labels: Int[Tensor, "batch *classes"], inputs: Float[Tensor, "batch features"]
) -> Float[Tensor, "batch neurons"]:
    """The network's own, where the layer sees the image itself."""
    return front.derivatives(inputs.reshape(-1, *front.task.shape), labels)
