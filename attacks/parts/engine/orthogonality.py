"""Linear estimate of an image from equations: what is sent is orthogonal to the image's gradient, and as long (CENSOR).

Two equations a tensor are few for an image: dummy data satisfy them in no time, and look like nothing. So the image is
estimated in place of searched for: the linear function of the equations that is nearest to public examples.
"""

import math

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.errors import NotApplicable
from fedleak.learning.weights import NamedTensors
from fedleak.randomness import seeded

from ..applicability import mode_of
from ..classifier_head.label_rule import public_examples
from ..classifier_head.orthogonal_label import ENOUGH, orthogonal_label

MOST = 256
"""Public examples that are looked at: a gradient each."""


def estimate(observation: Observation) -> Reconstruction | None:
    """The label and the image; None where no defense sends what is orthogonal, or too little is public.

    With the equations' failures r on public images x, and 0 what they are on the true one, the linear minimum mean
    square error estimate is `mean(x) - cov(x, r) cov(r)⁻¹ mean(r)`: means over the label's class, where enough of it is
    public, covariances within classes. Source: Kay 1993, Fundamentals of Statistical Signal Processing, chapter 12;
    covariance of few examples: https://doi.org/10.1016/S0047-259X(03)00096-4.
    """
    try:
        label = orthogonal_label(observation)
        public = public_examples(observation)[torch.arange(min(MOST, len(public_examples(observation))))]
        failures = _failures(observation, public.inputs, label)
    except NotApplicable:
        return None
    own = public.labels == label
    groups = public.labels
    if int(own.sum()) < ENOUGH:
        own, groups = torch.ones_like(own), torch.zeros_like(groups)
    shares, mismatch = _shares(failures[own].mean(0), _within(failures, groups))
    image = public.inputs[own].mean(0) + torch.tensordot(shares, _within(public.inputs, groups), dims=1)
    note = f"estimated from {failures.shape[1]} equations by {len(public)} public examples; no gradient was matched"
    return Reconstruction(
        inputs=observation.task.space.clamped(image)[None], labels=label, mismatch=mismatch, note=note
    )


def _within(
    values: Float[Tensor, "examples *shape"], groups: Int[Tensor, " examples"]
) -> Float[Tensor, "examples *shape"]:
    """The values less the mean of their group."""
    means = {group: values[groups == group].mean(0) for group in set(groups.tolist())}
    return values - torch.stack([means[group] for group in groups.tolist()])


def _shares(
    mean: Float64[Tensor, " equations"], deviations: Float64[Tensor, "examples equations"]
) -> tuple[Float[Tensor, " examples"], float]:
    """What each public example adds to their mean, and how far from 0 the equations are in standard deviations."""
    from sklearn.covariance import ledoit_wolf  # takes a second to import, and hardly any attack needs it

    spread = deviations.std(0).clamp_min(1e-12)
    scaled, off = deviations / spread, mean / spread
    covariance = torch.from_numpy(ledoit_wolf(scaled.numpy(), assume_centered=True)[0])
    weights = torch.linalg.solve(covariance, off)
    return -(scaled @ weights).float() / len(scaled), float(off @ weights) / len(off)


def _failures(
    observation: Observation, images: Float[Tensor, "examples *shape"], label: Int[Tensor, " one"]
) -> Float64[Tensor, "examples equations"]:
    """By how much each equation fails for each image, if it were the true one: 0 where it holds."""
    sent = {name: value.double() for name, value in observation.gradient().items() if value.any()}
    task, mode = observation.task, mode_of(observation)
    try:
        with seeded("equations"):
            gradients = [
                task.gradients(observation.before.clone(), image, label, mode=mode) for image in torch.split(images, 1)
            ]
    except (ValueError, RuntimeError) as error:
        raise NotApplicable("the network does not run on one example in the clients' mode") from error
    scaled = observation.defense.local.scaled
    return torch.stack([_failure(sent, one, scaled=scaled) for one in gradients])


def _failure(sent: NamedTensors, gradient: NamedTensors, *, scaled: bool) -> Float64[Tensor, " equations"]:
    pairs = [(gradient[name].double(), value) for name, value in sent.items()]
    sizes = [(one.norm().clamp_min(1e-30), other.norm()) for one, other in pairs]
    angles = [math.sqrt(one.numel()) * (one * other).sum() for one, other in pairs]
    along = [angle / (size * length) for angle, (size, length) in zip(angles, sizes, strict=True)]
    lengths = torch.stack([(size / length).log() for size, length in sizes])
    return torch.cat([torch.stack(along), lengths[1:] - lengths[0] if scaled else lengths])
