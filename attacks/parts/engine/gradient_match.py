"""Gradient-matching objective: dummy data whose simulated update should be the observed one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int, Num
from torch import Generator, Tensor

from fedleak.contracts.observation import Observation
from fedleak.learning.space import InputSpace
from fedleak.learning.task import Task

from .defense_aware import adapted
from .distances import Distance, DistanceTo
from .objective import Gradient, Guess, Objective, Variables
from .public_model import PublicModel
from .stochastic_layers import PREFIX, StochasticLayers, secret_draws


@dataclass(frozen=True)
class Dummy:
    """A dummy batch, and all variables it was made from."""

    inputs: Float[Tensor, "batch *shape"]
    labels: Num[Tensor, "batch *classes"]
    """Class indices or rows of zeros and ones; probabilities where they are optimized."""
    variables: Variables


Decode = Callable[[Variables], Dummy]
"""What the variables stand for; a generative attack decodes latent variables here."""
Simulate = Callable[[PublicModel, Dummy, Gradient], Sequence[Tensor]]
"""The update that a client with this batch would send, as `Observation.gradient` has it, parameter by parameter."""
DRAWS_PRIOR = 1e-4
Term = Callable[[Dummy], Float[Tensor, ""]]
"""A penalty on a dummy batch: what is known of the data besides the update."""


def known_terms(terms: tuple[tuple[float, Term | None], ...]) -> tuple[tuple[float, Term], ...]:
    """Without those of weight 0, and those that the examples give no sense."""
    return tuple((weight, term) for weight, term in terms if weight and term is not None)


def one_step(model: PublicModel, dummy: Dummy, gradient: Gradient) -> Sequence[Tensor]:
    """The gradient of the whole batch at the weights that were sent, as the clients' optimizer leaves it."""
    return list(model.sent(model.gradients(dummy.inputs, dummy.labels, gradient)).values())


def pixels(labels: Int[Tensor, "batch *classes"]) -> Decode:
    """The variables "inputs" are the examples; labels are given."""
    return lambda variables: Dummy(variables["inputs"], labels, variables)


def pixels_and_labels(task: Task) -> Decode:
    """The variables "inputs" are the examples, "labels" what labels are a softmax of, or, of several, sigmoids."""
    several = task.criterion.several_labels

    def decode(variables: Variables) -> Dummy:
        logits = variables["labels"]
        return Dummy(variables["inputs"], logits.sigmoid() if several else logits.softmax(-1), variables)

    return decode


def _hard(labels: Num[Tensor, "batch *soft"], task: Task) -> Int[Tensor, "batch *hard"]:
    """The labels that probabilities are nearest to."""
    if not labels.is_floating_point():
        return labels
    return (labels > 0.5).long() if task.criterion.several_labels else labels.argmax(-1)


@dataclass(frozen=True, kw_only=True, eq=False)
class GradientMatch(Objective):
    """`distance(simulated update, observed update) + Σ weight * term(dummy)`, in the model's precision.

    Where a defense makes the network draw at random, the draws are variables besides those of the dummy.
    """

    model: PublicModel
    distance: Distance
    """From a simulated update to how far it is from the observed one."""
    decode: Decode
    simulate: Simulate = one_step
    terms: tuple[tuple[float, Term], ...] = ()
    box: bool = True
    """Whether the variables "inputs" are put back into their range after every step."""
    units: Mapping[str, float] = field(default_factory=dict)
    draws: StochasticLayers | None = None
    draws_prior: float = DRAWS_PRIOR
    """Weight of how implausible the draws are."""

    @classmethod
    def of(
        cls,
        observation: Observation,
        distance: DistanceTo,
        decode: Decode,
        *,
        simulate: Simulate = one_step,
        terms: tuple[tuple[float, Term | None], ...] = (),
        box: bool = True,
        units: Mapping[str, float] | None = None,
        dtype: torch.dtype = torch.float32,
        device: str = "cpu",
        draws: StochasticLayers | None = None,
        draws_prior: float = DRAWS_PRIOR,
    ) -> "GradientMatch":
        """The objective for an observation; terms of weight 0, and None, are left out.

        `draws` to find besides those that the chain of defenses says.
        """
        model, gradient = PublicModel.of(observation, dtype, device), observation.gradient()
        return cls(
            model=model,
            distance=adapted(observation, distance)(
                [gradient[name].to(device, dtype) for name in model.weights.parameters]
            ),
            decode=decode,
            simulate=simulate,
            terms=known_terms(terms),
            box=box,
            units=units or {},
            draws=draws or secret_draws(observation),
            draws_prior=draws_prior,
        )

    @property
    def space(self) -> InputSpace:
        return self.model.task.space

    @property
    def vectorizes(self) -> bool:
        return (self.draws.under(self.model, {}) if self.draws else self.model).stateless

    def completed(self, start: Variables, rng: Generator) -> Variables:
        if self.draws is None:
            return start
        with torch.no_grad():
            images = self.decode(start).inputs
        return start | {name: value.to(images) for name, value in self.draws.draw(len(images), rng).items()}

    def loss(self, variables: Variables, gradient: Gradient) -> Float[Tensor, ""]:
        dummy = self._dummy(variables)
        model = self.draws.under(self.model, variables) if self.draws else self.model
        total = self.distance(self.simulate(model, dummy, gradient))
        if self.draws:
            total = total + self.draws_prior * self.draws.penalty(variables)
        for weight, term in self.terms:
            total = total + weight * term(dummy)
        return total

    def guess(self, variables: Variables) -> Guess:
        with torch.no_grad():
            dummy = self._dummy(variables)
        return Guess(dummy.inputs, _hard(dummy.labels, self.model.task))

    def project(self, variables: Variables) -> None:
        if self.box and "inputs" in variables:
            self.space.project_(variables["inputs"])
        if self.box and self.draws:
            self.draws.project(variables)

    def _dummy(self, variables: Variables) -> Dummy:
        return self.decode({name: value for name, value in variables.items() if not name.startswith(PREFIX)})
