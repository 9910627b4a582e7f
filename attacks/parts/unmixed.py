"""The unmixed inputs of a layer that sees the images themselves: made exact, and proved where they can be."""

from functools import partial

from jaxtyping import Float, Int
from torch import Tensor

from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction

from .certificate import certifiable, certify
from .first_inputs import Layer
from .inner_layer import Front
from .neurons import unexplained
from .pairing import labels_of
from .refitting import refitted
from .span import certify_span, provable


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
        inputs = refitted(inputs, layer.gradient, partial(_derivatives, front, labels), (0.0, 1.0))
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
    front: Front, labels: Int[Tensor, " batch"], inputs: Float[Tensor, "batch features"]
) -> Float[Tensor, "batch neurons"]:
    """The network's own, where the layer sees the image itself."""
    return front.derivatives(inputs.reshape(-1, *front.task.shape), labels)
