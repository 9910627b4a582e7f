"""What a matching attack minimises: the distance of its dummy gradient to the observed one, plus priors."""

from typing import Literal

import torch
from jaxtyping import Float, Num
from torch import Tensor

from fedleak.observation import Observation
from fedleak.weights import NamedTensors, Weights

from .distances import DistanceTo
from .priors import Prior


class Objective:
    """`distance(gradient of (inputs, labels)) + Σ weight * prior(inputs)`, differentiable twice over.

    Weights are converted once and are the objective's own: BatchNorm may write to its buffers, not the observation's.
    """

    def __init__(
        self,
        observation: Observation,
        distance: DistanceTo,
        priors: tuple[tuple[float, Prior], ...] = (),
        dtype: torch.dtype = torch.float32,
    ) -> None:
        gradient = observation.gradient()
        self.task = observation.task
        self.mode = mode_of(observation)
        self.dtype = dtype
        self.weights = in_dtype(observation.before, dtype)
        for parameter in self.weights.parameters.values():
            parameter.requires_grad_()
        self.parameters = list(self.weights.parameters.values())
        self.device = self.parameters[0].device
        self.distance = distance([gradient[name].to(dtype) for name in self.weights.parameters])
        self.priors = tuple((weight, prior) for weight, prior in priors if weight)

    def __call__(
        self, inputs: Float[Tensor, "batch channels height width"], labels: Num[Tensor, "batch *classes"]
    ) -> Float[Tensor, ""]:
        """The loss of a dummy batch; labels are class indices or probabilities."""
        loss = self.task.loss(self.weights, inputs, labels, mode=self.mode)
        gradients = torch.autograd.grad(loss, self.parameters, create_graph=True, materialize_grads=True)
        total = self.distance(gradients)
        for weight, prior in self.priors:
            total = total + weight * prior(inputs)
        return total

    def refusal(self, inputs: Float[Tensor, "batch channels height width"]) -> str | None:
        """Why the network cannot run on a dummy batch (BatchNorm in train mode wants more than one value), if so."""
        try:
            with torch.no_grad():
                self.task.logits(self.weights, inputs, mode=self.mode)
        except (ValueError, RuntimeError) as error:
            return f"the network does not run on a dummy batch of {len(inputs)} in {self.mode} mode: {error}"
        return None


def mode_of(observation: Observation) -> Literal["train", "eval"]:
    """The mode clients train in; where unknown, "eval" if the BatchNorm buffers came back unchanged, else "train"."""
    if observation.training.mode is not None:
        return observation.training.mode
    after, before = observation.buffers_after, observation.before.buffers
    kept = bool(after) and all(torch.equal(value.to(before[name]), before[name]) for name, value in _items(after))
    return "eval" if kept else "train"


def in_dtype(weights: Weights, dtype: torch.dtype) -> Weights:
    """A copy with every floating-point tensor in `dtype`; counters keep theirs."""
    copy = weights.clone()
    return Weights(
        {name: value.to(dtype) for name, value in copy.parameters.items()},
        {name: value.to(dtype) if value.is_floating_point() else value for name, value in copy.buffers.items()},
    )


def _items(tensors: NamedTensors | None) -> list[tuple[str, Tensor]]:
    return list((tensors or {}).items())
