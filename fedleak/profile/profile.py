"""Leakage profile of one message: all its indicators."""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from fedleak.errors import RecordingError
from fedleak.gradients.precision import in_dtype
from fedleak.learning.layers import twice_differentiable
from fedleak.learning.update import Meaning, Update, UpdateKind, meaning_of
from fedleak.profile.activity import expected_alone
from fedleak.profile.batch_norm import BatchNormLeak, batch_norm_leak
from fedleak.profile.fisher import Fisher, fisher_of
from fedleak.profile.jacobian import Jacobian, product_cost
from fedleak.profile.layers import LayerProfile, layer_profiles, rank_limit
from fedleak.profile.noise_floor import Floor, floor_of, gradient_at_truth, noise_in, scale_of
from fedleak.profile.spectrum import Count, Spectrum, spectrum_of, steps_needed
from fedleak.profile.subject import Subject, require_open
from fedleak.randomness import generator

KNOWN = 0.1
"""A direction of the images is carried where noise leaves it known to within this share of a pixel's range: 20 dB."""


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How much is computed, in products with the Jacobian."""

    operations: float = 9e11
    """Floating-point operations that Lanczos may take: seconds to a third of a minute on one core."""
    steps: int = 60
    probes: int = 96

    def within(self, cost: float) -> "Effort":
        """Fewer steps and probes where a product costs much, but never so few that nothing is learned."""
        products = self.operations / cost
        return replace(
            self, steps=max(3, min(self.steps, int(products / 3))), probes=max(2, min(self.probes, int(products / 6)))
        )


BRIEF = Effort(operations=1e11, probes=32)
"""For the Fisher information alone, where many messages are looked at."""


@dataclass(frozen=True, kw_only=True)
class Inside:
    """What only the defender can tell, with the examples at hand."""

    floor: Floor
    spectrum: Spectrum
    fisher: Fisher
    carried: Count
    """Directions of the images that the update carries above its floor."""
    scale: float
    """What noise on the weight delta is divided by to become noise on the gradient."""
    gradient: float
    """The gradient's norm."""
    expected_alone: float | None
    """Examples of a random batch with a neuron of their own in the layer that sees the pixels."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """The leakage profile of one message."""

    title: str
    examples: int
    limit: int | None
    """Examples that a rank can be held against; None where nobody can tell."""
    parameters: int
    pixels: int
    """Of the whole batch."""
    layers: tuple[LayerProfile, ...]
    batch_norm: BatchNormLeak
    inside: Inside | None
    """None where the truth is not at hand, where the update is signs, which carry other things than a gradient, and
    where examples cannot change little by little."""
    steps: int | None
    """Local steps. Of several the Jacobian is that of the mean gradient at the first, not of the whole update."""
    cohort: int
    """Clients in it."""
    meaning: Meaning
    """What is left of a gradient in the update."""
    discrete: str = ""
    """What the examples are, where they cannot change little by little: there is no slope by them."""


@twice_differentiable()
def profile(subject: Subject, effort: Effort | None = None) -> Profile:
    """Every indicator of a message; the same message gives the same figures.

    Raises `RecordingError` for a masked update or one that is not finite.
    """
    require_open(subject)
    observation = subject.observation
    if not bool(torch.isfinite(observation.update.vector()).all()):
        raise RecordingError(f"{subject.title}: the update has entries that are NaN or infinite")
    meaning = Meaning.GRADIENT if observation.update.kind is UpdateKind.GRADIENT else meaning_of(subject.training)
    blind = meaning is Meaning.SIGNS or not observation.task.space.continuous
    return Profile(
        title=subject.title,
        examples=observation.examples(),
        limit=rank_limit(observation),
        parameters=sum(value.numel() for value in observation.before.parameters.values()),
        pixels=observation.examples() * int(torch.tensor(observation.task.shape).prod()),
        layers=(layers := layer_profiles(subject)),
        batch_norm=batch_norm_leak(subject),
        inside=None if subject.truth is None or blind else _inside(subject, layers, effort or Effort()),
        steps=subject.training.steps,
        cohort=len(observation.cohort),
        meaning=meaning,
        discrete="" if observation.task.space.continuous else observation.task.space.words,
    )


def fisher_bound(subject: Subject) -> float:
    """The PSNR in dB that no unbiased attacker exceeds under the noise that was added, of images that are known.

    Infinite without noise, and of signs, which stand above a noise that their gradient drowns in. An attacker who knows
    what images look like is biased and may do better.
    """
    require_open(subject)
    assert subject.truth is not None, "the bound is about the true images"
    noise = noise_in(subject.observation.defense, subject.training) / scale_of(subject)
    if noise == 0 or meaning_of(subject.training) is Meaning.SIGNS or not subject.observation.task.space.continuous:
        return math.inf
    mode = subject.training.mode or "train"
    gradient = Update(gradient_at_truth(subject, torch.float32), UpdateKind.GRADIENT).vector()
    weights = in_dtype(subject.observation.before, torch.float32)
    effort = BRIEF.within(product_cost(subject.observation.task, weights, subject.truth, mode))
    jacobian = Jacobian.at(subject.observation.task, weights, subject.truth, mode, _factors(subject, gradient))
    jacobian.planned = effort.probes
    extent = subject.observation.task.space.extent
    return fisher_of(jacobian, effort.probes, generator("profile", "probes"), extent).bound(noise)


def _inside(subject: Subject, layers: tuple[LayerProfile, ...], effort: Effort) -> Inside:
    assert subject.truth is not None
    observation, mode = subject.observation, subject.training.mode or "train"
    floor = floor_of(subject)
    gradient = Update(gradient_at_truth(subject, torch.float32), UpdateKind.GRADIENT).vector()
    weights = in_dtype(observation.before, torch.float32)
    effort = effort.within(product_cost(observation.task, weights, subject.truth, mode))
    jacobian = Jacobian.at(observation.task, weights, subject.truth, mode, _factors(subject, gradient))
    jacobian.planned = steps_needed(jacobian.directions, effort.steps) + effort.probes
    spectrum = spectrum_of(jacobian, effort.steps, generator("profile", "lanczos"))
    fisher = fisher_of(jacobian, effort.probes, generator("profile", "probes"), observation.task.space.extent)
    return Inside(
        floor=floor,
        spectrum=spectrum,
        fisher=fisher,
        carried=spectrum.above(floor.total / KNOWN),
        scale=scale_of(subject),
        gradient=float(gradient.norm()),
        expected_alone=_expected_alone(subject, layers),
    )


def _factors(subject: Subject, gradient: Float[Tensor, " entries"]) -> Float[Tensor, " entries"] | None:
    """What defenses multiply each entry by: a common factor as of clipping, nothing for an entry that was dropped.

    None without defenses. The factor is the least-squares one over the entries that are left.
    """
    observation = subject.observation
    if not observation.defense:
        return None
    sent = Update(observation.gradient(), UpdateKind.GRADIENT).vector()
    kept = (sent != 0).to(gradient.dtype)
    overlap = float((gradient * sent).sum()) / max(float((gradient * gradient * kept).sum()), 1e-300)
    return kept * min(abs(overlap), 1.0)


def _expected_alone(subject: Subject, layers: tuple[LayerProfile, ...]) -> float | None:
    public = subject.observation.auxiliary
    seeing = [layer.name for layer in layers if layer.sees_pixels and layer.alone is not None]
    examples = subject.observation.examples()
    if public is None or not seeing or len(public) < examples:
        return None
    observation, mode = subject.observation, subject.training.mode or "train"
    rng = generator("profile", "random batches")
    return expected_alone(observation.task, observation.before, public, seeing[0], examples, mode, rng)
