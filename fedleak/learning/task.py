"""A task: the public problem that clients train on and attacks differentiate. Model, loss, input space, classes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from fedleak.learning.batch import Batch
from fedleak.learning.device import computing_on
from fedleak.learning.facts import Device
from fedleak.learning.layers import called, scores_in
from fedleak.learning.loss import Criterion, CrossEntropy
from fedleak.learning.source import Source
from fedleak.learning.space import InputSpace, space_of
from fedleak.learning.weights import NamedTensors, Weights
from fedleak.randomness import one_thread

CHUNK = 256
"""Examples that are tested at once."""


@dataclass(frozen=True)
class Penalty:
    """What the loss has besides the criterion: a function of what a layer of the network gives."""

    layer: str
    of: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Task:
    """A classification problem on examples of one space with a criterion and maybe penalties; holds no data.

    `network` is the architecture only: every method takes the weights, and the network's own are never read. All its
    modules are in one mode.
    """

    name: str
    network: nn.Module
    shape: tuple[int, ...]
    """Of one example; of images channels, height, width."""
    classes: int
    penalties: tuple[Penalty, ...] = ()
    source: Source | None = None
    """What is public about the data; None where a user gave examples alone."""
    criterion: Criterion = field(default_factory=CrossEntropy)
    """What clients minimize."""
    given: InputSpace | None = None
    """The space of the examples; None: images in [0, 1]."""

    @property
    def space(self) -> InputSpace:
        """What the examples are."""
        return self.given or space_of(self.shape)

    def split(self, state: NamedTensors) -> Weights:
        """A `state_dict` as parameters and buffers, each in the dtype the network declares."""
        return Weights.of(self.network).like(state)

    def logits(
        self,
        weights: Weights,
        inputs: Float[Tensor, "batch *shape"],
        *,
        mode: Literal["train", "eval"] = "train",
    ) -> Float[Tensor, "batch classes"]:
        """The network's scores, in the precision of the weights.

        In train mode the buffers in `weights` are updated in place (BatchNorm statistics).
        """
        return self.criterion.scores(self.outputs(weights, inputs, mode=mode))

    def outputs(self, weights: Weights, inputs: Tensor, *, mode: Literal["train", "eval"] = "train") -> Any:
        """What the network returns, its scores if it is fit for the task."""
        if self.network.training is not (mode == "train"):  # a walk over all modules, in the innermost loop of attacks
            self.network.train(mode == "train")
        state = weights.state_dict()
        first = next((state[name] for name, _ in self.network.named_parameters()), inputs)
        if first.is_floating_point():
            inputs = inputs.to(first.dtype)
        return scores_in(called(self.network, state, inputs))

    def loss(
        self,
        weights: Weights,
        inputs: Float[Tensor, "batch *shape"],
        labels: Num[Tensor, "batch *classes"],
        *,
        mode: Literal["train", "eval"] = "train",
        shares: Float[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, ""]:
        """The criterion and penalties; labels are class indices or, where attacks optimize them, probabilities.

        By `shares` examples count more or less in the mean.
        """
        given: dict[str, Tensor] = {}
        hooks = [self._capture_output(penalty.layer, given) for penalty in self.penalties]
        try:
            logits = self.logits(weights, inputs, mode=mode)
        finally:
            for hook in hooks:
                hook.remove()
        loss = self.criterion.mean(logits, labels, shares)
        for penalty in self.penalties:
            loss = loss + penalty.of(given[penalty.layer])
        return loss

    def _capture_output(self, layer: str, given: dict[str, Tensor]) -> RemovableHandle:
        """Keeps what a layer puts out."""
        return self.network.get_submodule(layer).register_forward_hook(lambda *hooked: given.update({layer: hooked[2]}))

    def gradients(
        self,
        weights: Weights,
        inputs: Float[Tensor, "batch *shape"],
        labels: Num[Tensor, "batch *classes"],
        *,
        mode: Literal["train", "eval"] = "train",
        create_graph: bool = False,
    ) -> NamedTensors:
        """Gradient of the loss for each parameter, by name; with `create_graph` it can be differentiated again."""
        parameters = {name: value.detach().requires_grad_() for name, value in weights.parameters.items()}
        loss = self.loss(Weights(parameters, weights.buffers), inputs, labels, mode=mode)
        values = torch.autograd.grad(loss, list(parameters.values()), create_graph=create_graph, materialize_grads=True)
        return dict(zip(parameters, values, strict=True))


def mean_loss(task: Task, weights: Weights, examples: Batch, device: Device = "cpu") -> tuple[float, float]:
    """Mean loss and accuracy in eval mode."""
    total, correct = 0.0, 0.0
    weights = weights.to(device)
    with torch.no_grad(), one_thread(), computing_on(device):
        for chosen in torch.split(torch.arange(len(examples)), CHUNK):
            batch = examples[chosen].to(device)
            logits = task.logits(weights, batch.inputs, mode="eval")
            total += len(batch) * float(task.criterion.mean(logits, batch.labels))
            right = task.criterion.decided(logits) == batch.labels
            correct += float(right.sum()) / right[0].numel()
    return total / len(examples), correct / len(examples)
