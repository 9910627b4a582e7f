"""The objective of gradient matching: dummy data whose simulated update should be the observed one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int, Num
from torch import Tensor

from fedleak.observation import Observation

from .adaptive import adapted
from .distances import Distance, DistanceTo
from .objective import Gradient, Guess, Objective
from .public_model import PublicModel
from .variables import Variables


@dataclass(frozen=True)
class Dummy:
    """A dummy batch, and all variables it was made from."""

    inputs: Float[Tensor, "batch channels height width"]
    labels: Num[Tensor, "batch *classes"]
    """Class indices, or probabilities where they are optimised."""
    variables: Variables


Decode = Callable[[Variables], Dummy]
"""What the variables stand for; a generative attack decodes latent variables here."""
Simulate = Callable[[PublicModel, Dummy, Gradient], Sequence[Tensor]]
"""The update that a client with this batch would send, as `Observation.gradient` has it, parameter by parameter."""
Term = Callable[[Dummy], Float[Tensor, ""]]
"""A penalty on a dummy batch: what is known of the data besides the update."""


def one_step(model: PublicModel, dummy: Dummy, gradient: Gradient) -> Sequence[Tensor]:
    """The gradient of the whole batch at the weights that were sent."""
    return list(model.gradients(dummy.inputs, dummy.labels, gradient).values())


def pixels(labels: Int[Tensor, " batch"] | None) -> Decode:
    """The variables "inputs" are the images; labels are given, or the softmax of the variables "labels"."""

    def decode(variables: Variables) -> Dummy:
        soft = labels if labels is not None else variables["labels"].softmax(-1)
        return Dummy(variables["inputs"], soft, variables)

    return decode


@dataclass(frozen=True, kw_only=True, eq=False)
class GradientMatch(Objective):
    """`distance(simulated update, observed update) + Σ weight * term(dummy)`, in the model's precision."""

    model: PublicModel
    distance: Distance
    """From a simulated update to how far it is from the observed one."""
    decode: Decode
    simulate: Simulate = one_step
    terms: tuple[tuple[float, Term], ...] = ()
    box: bool = True
    """Whether the variables "inputs" are put back into [0, 1] after every step."""
    units: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        observation: Observation,
        distance: DistanceTo,
        decode: Decode,
        *,
        simulate: Simulate = one_step,
        terms: tuple[tuple[float, Term], ...] = (),
        box: bool = True,
        units: Mapping[str, float] | None = None,
        dtype: torch.dtype = torch.float32,
        device: str = "cpu",
    ) -> "GradientMatch":
        """The objective for an observation; terms of weight 0 are left out."""
        model, gradient = PublicModel.of(observation, dtype, device), observation.gradient()
        return cls(
            model=model,
            distance=adapted(observation, distance)(
                [gradient[name].to(device, dtype) for name in model.weights.parameters]
            ),
            decode=decode,
            simulate=simulate,
            terms=tuple((weight, term) for weight, term in terms if weight),
            box=box,
            units=units or {},
        )

    @property
    def vectorises(self) -> bool:
        return self.model.stateless

    def loss(self, variables: Variables, gradient: Gradient) -> Float[Tensor, ""]:
        dummy = self.decode(variables)
        total = self.distance(self.simulate(self.model, dummy, gradient))
        for weight, term in self.terms:
            total = total + weight * term(dummy)
        return total

    def guess(self, variables: Variables) -> Guess:
        with torch.no_grad():
            dummy = self.decode(variables)
        soft = dummy.labels.is_floating_point()
        return Guess(dummy.inputs, dummy.labels.argmax(-1) if soft else dummy.labels)

    def project(self, variables: Variables) -> None:
        if self.box and "inputs" in variables:
            variables["inputs"].clamp_(0.0, 1.0)
