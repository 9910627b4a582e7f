"""The adaptive form of any distance: what the defenses that acted are known to do, taken into account."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import torch
from jaxtyping import Float
from torch import Tensor

from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import AdversaryKnowledge
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.learning.update import Update, UpdateKind, decay_beside, reach
from fedleak.learning.weights import NamedTensors

from .distances import Distance, DistanceTo, inner


def adapted(observation: Observation, distance: DistanceTo) -> DistanceTo:
    """The distance for an attacker who knows the chain; the same one where there is no chain, or a sum of clients.

    A dummy update goes through what happened to the real one, as far as that is known; entries of which what was sent
    tells nothing do not count; and where the last step has a likelihood, that takes the place of the distance, as a
    share of what an update of zeros would score: 0 for what was sent itself, 1 for zeros. Source (maximum likelihood
    under the defense): https://arxiv.org/abs/2111.04706
    """
    chain = _known_chain(observation)
    if not chain:
        return distance
    return lambda observed: _distance(_Passage.of(observation, chain, observed), distance)


def restored(observation: Observation, guess: Reconstruction) -> Reconstruction:
    """The guess with the images that clients had, where defenses changed those that they trained on."""
    if guess.inputs is None:
        return guess
    inputs = guess.inputs
    for defense in reversed(_known_chain(observation).defenses):
        inputs = defense.invert_examples(inputs)
    return replace(guess, inputs=inputs)


def labels_hidden(observation: Observation) -> bool:
    """Whether no rule infers labels, so that they are found with the images: those of several examples that may have
    several, and the probabilities that clients are known to train on in place of any."""
    several = observation.task.criterion.several_labels and observation.examples() > 1
    return several or any(defense.mixes_labels for defense in _known_chain(observation))


def _known_chain(observation: Observation) -> Chain:
    """The defenses that act on each update alone; none where there is a sum of clients."""
    if observation.masked or len(observation.cohort) > 1:
        return Chain()
    return observation.defense.local


@dataclass(frozen=True)
class _Passage:
    """What lies between a gradient and what was sent."""

    observation: Observation
    before: tuple[AdversaryKnowledge, ...]
    """Defenses that a dummy update is put through."""
    likely: AdversaryKnowledge | None
    """The one after them, of which the likelihood counts."""
    masks: list[Tensor]
    sent: Update

    @classmethod
    def of(cls, observation: Observation, chain: Chain, like: Sequence[Tensor]) -> "_Passage":
        """The passage of a chain, in the precision and on the device of some gradient."""
        sent, defenses = observation.update, chain.defenses
        places = [place for place, one in enumerate(defenses) if one.negative_log_likelihood(sent, sent) is not None]
        last = places[-1] if places else len(defenses)
        seen = [one.observed_mask(sent) for one in (defenses[last:] if places else defenses)]
        own = chain.withheld(observation.task)
        everywhere = {
            name: torch.full_like(value, name not in own, dtype=torch.bool) for name, value in sent.tensors.items()
        }
        masks = reduce(_both, (mask for mask in seen if mask is not None), everywhere)
        # The mask is the real one: what it leaves is more exact than the same defense applied to a dummy update.
        before = tuple(one for one in defenses[:last] if places or one.observed_mask(sent) is None)
        named = dict(zip(sent.tensors, like, strict=True))
        return cls(
            observation=observation,
            before=before,
            likely=defenses[last] if places else None,
            masks=[masks[name].to(named[name]) for name in sent.tensors],
            sent=Update({name: value.to(named[name]) for name, value in sent.tensors.items()}, sent.kind),
        )

    def through(self, gradients: Sequence[Tensor]) -> Update:
        """A dummy update, in the form that clients defend, after what happened to the real one."""
        update = self._given(gradients)
        for defense in self.before:
            update = defense.relaxed(update)
        return self.seen(update)

    def seen(self, update: Update) -> Update:
        """The update with zeros where nothing can be seen."""
        masked = [value * mask for value, mask in zip(update.tensors.values(), self.masks, strict=True)]
        return Update(dict(zip(update.tensors, masked, strict=True)), update.kind)

    def _given(self, gradients: Sequence[Tensor]) -> Update:
        """The inverse of `Update.as_gradient`."""
        kind, training = self.sent.kind, self.observation.training
        named = dict(zip(self.sent.tensors, gradients, strict=True))
        if kind is UpdateKind.GRADIENT:
            return Update(named, kind)
        scale, decay = reach(training), decay_beside(training)
        if scale is None:
            return Update({name: -value for name, value in named.items()}, kind)
        start = self.observation.before.parameters
        moved = {
            n: -scale * (value + decay * start[n].to(value)) if decay else -scale * value for n, value in named.items()
        }
        return Update(moved, kind)

    @property
    def length_known(self) -> bool:
        """Whether a dummy update is as long as the client's would be."""
        return reach(self.observation.training) is not None or self.sent.kind is UpdateKind.GRADIENT


def _distance(passage: _Passage, distance: DistanceTo) -> Distance:
    sent = passage.seen(passage.sent)
    if passage.likely is None:
        near = distance(list(sent.tensors.values()))
        return lambda gradients: near(list(passage.through(gradients).tensors.values()))
    likelihood = _negative_log_likelihood(passage.likely, sent)
    none = likelihood(Update({name: torch.zeros_like(value) for name, value in sent.tensors.items()}, sent.kind))
    best = likelihood(sent)
    scale = 1.0 / (none - best)

    def unlikely(gradients: Sequence[Tensor]) -> Float[Tensor, ""]:
        given = passage.through(gradients)
        return scale * (likelihood(given if passage.length_known else _as_long(given, sent)) - best)

    return unlikely


def _negative_log_likelihood(defense: AdversaryKnowledge, sent: Update) -> Callable[[Update], Float[Tensor, ""]]:
    def likelihood(given: Update) -> Float[Tensor, ""]:
        value = defense.negative_log_likelihood(given, sent)
        assert value is not None
        return value

    return likelihood


def _as_long(given: Update, sent: Update) -> Update:
    """The multiple of an update that is nearest to what was sent."""
    one, other = list(given.tensors.values()), list(sent.tensors.values())
    scale = inner(one, other) / inner(one, one).clamp_min(1e-30)
    return Update({name: scale * value for name, value in given.tensors.items()}, given.kind)


def _both(one: NamedTensors, other: NamedTensors) -> NamedTensors:
    return {name: value & other[name] for name, value in one.items()}


# How much of an update is noise that defenses are known to have added.

FOR_NOISE = 0.3
"""What the weight of the total variation gains for the noise's share of the length of an update.

Like the threshold of a denoiser it goes by the standard deviation; from a half to twice as much does as well.
"""


def smoothing(observation: Observation) -> float:
    """What the weight of the total variation gains where defenses are known to have added noise."""
    return FOR_NOISE * math.sqrt(noise_share(observation))


def noise_share(observation: Observation) -> float:
    """Expected squared length of the noise as a share of what was sent, 0 to 1; 0 where it is not known.

    In a sum over clients the noises of all are in the mean, each divided by their number; what is taken out of it has
    them too, as much larger as it was made. What is still under masks tells nothing of it.
    """
    if observation.masked:
        return 0.0
    clients = len(observation.cohort)
    variance = observation.defense.noise_variance(observation.training) * observation.amplified**2
    sent = observation.update.vector().double()
    power = float(sent.square().sum())
    return min(1.0, variance / clients * sent.numel() / power) if power > 0 else 0.0
