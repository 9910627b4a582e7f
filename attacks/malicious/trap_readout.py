"""Trap readout: the examples that trap weights collected, read off the first linear layer's gradient."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Generator, Tensor

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.manipulation import planted
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.errors import NotApplicable
from fedleak.gradients.rank import low_rank, rounding_of
from fedleak.learning.update import Meaning, meaning_of

from ..parts.applicability import require_gradient
from ..parts.known_defenses import accounted
from ..parts.linear_layers.exclusive_neurons import Exclusive, Search, Slopes
from ..parts.linear_layers.first_layer import Front, find_inner_layer
from ..parts.linear_layers.neurons import activated_by_one
from ..parts.linear_layers.pixelwise import copied_pixels

TRAP = "trap-weights"
COMPUTED = 1e-5
"""What computing the gradient in single precision costs clients, relative to the gradient, at most."""
COARSEST = 1e-2
"""A tolerance beyond which agreement proves nothing."""
SURE = 2e-3
"""Standard deviation of the error of values, in units of the range, that a proved example has at most: 54 dB."""
FAR = 4.0
"""How many times its root mean square rounding may be."""


@attacks.register("trap-readout")
@dataclass(frozen=True, kw_only=True)
class TrapReadout(Attack):
    """Exclusive neurons of a layer with trap weights: the quotient `(dL/dW_i) / (dL/db_i)` of a neuron is the one
    example that it fires for.

    Of the quotients that could be examples those are taken that explain, with the best label, how far the bias moved:
    the network is known, and so are an example's derivatives. Two neurons that agree come first. What is found is taken
    out of all other neurons, of which some are then left to one example. Where nothing explains its neuron, after
    several local steps or under noise say, those quotients are taken that agree with each other, then the loudest.

    Under defenses neurons are first read as what so many examples can have made of them together: noise, of a defense
    or of rounding to few bits, has a rank that examples have not. Where updates, or single examples, are clipped each
    may have a factor, which two neurons tell.

    Proved (`certified`) is an example that explains two neurons or more, without noise but rounding: a mixture would
    have to be the same at both, and move both as one example does. Where as many were found as were trained on, and
    give the layer's gradient again, that is a certificate of all. Of those that were not found the mean public example
    is guessed, so that shares are of all.
    """

    paper: ClassVar = "https://arxiv.org/abs/2112.02918"
    cites: ClassVar = "boenisch2023curious"

    @property
    def reads(self) -> frozenset[str]:
        return frozenset({TRAP})

    def adapts_to(self, chain: Chain) -> bool:
        return accounted(chain, measured=True)

    def reconstruct(self, observation: Observation, rng: Generator) -> Reconstruction:
        if not any(one.name == TRAP for one in planted(observation.manipulations)):
            raise NotApplicable(f"the server sent no {TRAP}: choose a server that does")
        if observation.masked:
            raise NotApplicable("the update is masked, so its entries are random: a readout needs the sum")
        require_gradient(observation)
        layer, space = find_inner_layer(observation.task), observation.task.space
        front = Front(observation, layer)
        front.require_one_vector()
        gradient, examples = observation.gradient(), observation.examples()
        weight = examples * gradient[layer.weight].double()[:, copied_pixels(front, rng)]
        bias = examples * gradient[layer.bias].double()
        if not bias.any():
            raise NotApplicable(f"the gradient of '{layer.bias}' is zero: no neuron with trap weights fired")
        noise, bias_noise = (examples * rounding_of(observation, one) for one in (layer.weight, layer.bias))
        if observation.defense.local:
            weight, bias, noise = _without_noise(weight, bias, examples, noise)
            bias_noise = noise
        if not _differentiable(observation):
            return self._agreed(observation, weight, bias, noise)
        search = Search(
            slopes=Slopes(front),
            examples=examples,
            noise=noise,
            bias_noise=bias_noise,
            bounds=space.bounds,
            loudest=float(bias.abs().max()),
        )
        found = search.run(weight, bias)
        if observation.defense.local and len(found.inputs) < examples:
            found = max(found, replace(search, scaled=True).run(weight, bias), key=lambda one: len(one.inputs))
        if not len(found.inputs):
            return self._agreed(observation, weight, bias, noise)
        certifiable, certificate = not observation.defense.local, None
        if certifiable and len(found.inputs) == examples:
            certificate = _proof(found, search.slopes.settled(found.inputs), weight, noise)
        return Reconstruction(
            inputs=found.inputs.float().reshape(-1, *space.shape),
            labels=found.labels,
            fallback=_usual(observation),
            mismatch=float(found.weight.norm() / weight.norm()),
            certifiable=certifiable,
            certificate=certificate,
            certified=(found.neurons > 1) & (found.blur < SURE * space.extent) & certifiable,
            note=_words(found.neurons, examples),
        )

    def _agreed(
        self,
        observation: Observation,
        weight: Float64[Tensor, "neurons pixels"],
        bias: Float64[Tensor, " neurons"],
        noise: float,
    ) -> Reconstruction:
        """By agreement alone, without labels."""
        space = observation.task.space
        found = activated_by_one(weight, bias, observation.examples(), noise, space.bounds)
        if not len(found.inputs):
            raise NotApplicable(f"none of {len(bias)} neurons has a quotient that could be an example")
        inputs = space.clamped(found.inputs).float().reshape(-1, *space.shape)
        usual = _usual(observation)
        return Reconstruction(inputs=inputs, fallback=usual, mismatch=found.mismatch**0.5, note=found.note)


def _without_noise(
    weight: Float64[Tensor, "neurons pixels"], bias: Float64[Tensor, " neurons"], examples: int, rounding: float
) -> tuple[Float64[Tensor, "neurons pixels"], Float64[Tensor, " neurons"], float]:
    """The part of the gradients that so many examples can have made, and the noise that is left in it.

    All neurons see the same examples, so that both together have their number for their rank; noise has any rank.
    """
    found = low_rank(torch.cat([weight, bias[:, None]], 1), examples, rounding, clear=1.0)
    joined = torch.zeros(len(bias), found.right.shape[1], dtype=torch.float64)
    joined[found.awake] = found.left @ found.right
    return joined[:, :-1], joined[:, -1], found.noise * (found.rank / found.right.shape[1]) ** 0.5


def _usual(observation: Observation) -> Float[Tensor, "*shape"]:
    """What is guessed of examples that nothing is known of."""
    space, public = observation.task.space, observation.auxiliary
    return torch.full(space.shape, space.middle) if public is None else public.inputs.mean(0)


def _differentiable(observation: Observation) -> bool:
    """Whether the update is the gradient of single labels at weights that are known, example by example."""
    task = observation.task
    plain = task.criterion.plain and not task.criterion.several_labels and not task.penalties
    return plain and meaning_of(observation.training) is Meaning.GRADIENT


def _proof(
    found: Exclusive, settled: Bool[Tensor, " neurons"], weight: Float64[Tensor, "neurons pixels"], noise: float
) -> str | None:
    """The certificate, in words: the examples leave nothing of the gradient but rounding.

    Neurons that one of them nearly woke, or nearly did not, have no say.
    """
    left, length = float(found.weight[settled].norm()), float(weight[settled].norm())
    most = COMPUTED * length + FAR * noise * weight[settled].numel() ** 0.5
    if left > most or most > COARSEST * length or 2 * int(settled.sum()) < len(settled):
        return None
    return f"residual {left / length:.0e} of the layer's gradient, below {most / length:.0e}"


def _words(neurons: Int64[Tensor, " found"], examples: int) -> str:
    several = int((neurons > 1).sum())
    return (
        f"{len(neurons)} of {examples} examples explain neurons that fire for them alone, once others were taken out; "
        f"{several} of these explain two neurons or more"
    )
