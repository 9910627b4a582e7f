"""Jacobian of the gradient by the images, `J = dg / dx`, as a linear map that is never written out."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fedleak import progress
from fedleak.gradients.relu_activity import WEIGHTED
from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.learning.training import Mode
from fedleak.learning.weights import Weights
from fedleak.randomness import seeded

PASSES = 5.5
"""What a product with the Jacobian or its transpose costs, in forward passes."""


@dataclass(kw_only=True)
class Jacobian:
    """J at one batch, all its pixels together, labels and weights held fixed.

    Both products are derivatives of a graph that is built once. The gradient is linear in its own adjoint, so J v is
    the derivative of `(Jᵀ u) · v` by u.
    """

    gradients: list[Tensor]
    inputs: Float[Tensor, "batch *shape"]
    adjoints: list[Tensor]
    pulled: Float[Tensor, "batch *shape"]
    """`Jᵀ u` for the adjoints u, as a function of them."""
    factors: Float[Tensor, " entries"]
    """What each entry of the gradient is multiplied by before it is sent: J is the derivative of the product."""
    planned: int = 0
    """Products that will be asked for, for those who watch."""
    done: int = field(default=0, init=False)

    @classmethod
    def at(
        cls, task: Task, weights: Weights, batch: Batch, mode: Mode, factors: Float[Tensor, " entries"] | None = None
    ) -> "Jacobian":
        """The Jacobian at a batch, in the precision of the weights; `factors` are 1 by default."""
        dtype = next(iter(weights.parameters.values())).dtype
        inputs = batch.inputs.to(dtype).detach().clone().requires_grad_()
        with seeded("profile"):  # for dropout: one mask for all products
            named = task.gradients(weights.clone(), inputs, batch.labels, mode=mode, create_graph=True)
        gradients = [value for value in named.values() if value.requires_grad]
        entries = sum(value.numel() for value in gradients)
        adjoints = [torch.zeros_like(value).requires_grad_() for value in gradients]
        (pulled,) = torch.autograd.grad(gradients, inputs, adjoints, create_graph=True)
        return cls(
            gradients=gradients,
            inputs=inputs,
            adjoints=adjoints,
            pulled=pulled,
            factors=torch.ones(entries, dtype=dtype) if factors is None else factors.to(dtype),
        )

    @property
    def entries(self) -> int:
        """Of the gradient: rows of J."""
        return len(self.factors)

    @property
    def directions(self) -> int:
        """Pixels of the batch: columns of J."""
        return self.inputs.numel()

    @property
    def dtype(self) -> torch.dtype:
        """The precision of the products: that of the weights."""
        return self.inputs.dtype

    def times(self, direction: Float[Tensor, " directions"]) -> Float[Tensor, " entries"]:
        """J v."""
        moved = direction.to(self.dtype).reshape(self.inputs.shape)
        parts = torch.autograd.grad(
            self.pulled, self.adjoints, moved, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        self._report_progress()
        return self.factors * torch.cat([part.reshape(-1) for part in parts])

    def transposed_times(self, weighting: Float[Tensor, " entries"]) -> Float[Tensor, " directions"]:
        """Jᵀ u."""
        pieces = torch.split(self.factors * weighting.to(self.dtype), [part.numel() for part in self.gradients])
        adjoints = [piece.reshape(part.shape) for piece, part in zip(pieces, self.gradients, strict=True)]
        (pulled,) = torch.autograd.grad(self.gradients, self.inputs, adjoints, retain_graph=True)
        self._report_progress()
        return pulled.reshape(-1)

    def _report_progress(self) -> None:
        self.done += 1
        progress.report(self.done, max(self.planned, self.done))


def product_cost(task: Task, weights: Weights, batch: Batch, mode: Mode) -> float:
    """Floating-point operations of one product: the same on every machine, unlike seconds."""
    counted: list[int] = []

    def count(layer: nn.Module, _: object, output: Tensor) -> None:
        counted.append(2 * output.numel() * next(layer.parameters())[0].numel())

    hooks = [layer.register_forward_hook(count) for layer in task.network.modules() if isinstance(layer, WEIGHTED)]
    try:
        with torch.no_grad(), seeded("profile"):
            task.logits(weights.clone(), batch.inputs, mode=mode)
    finally:
        for hook in hooks:
            hook.remove()
    return PASSES * max(sum(counted), 1)
