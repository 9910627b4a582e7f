"""ReLU activity: which units each example of a batch switches on."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from fedleak.learning.task import Task
from fedleak.learning.weights import Weights
from fedleak.randomness import seeded

WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def activity(
    task: Task, weights: Weights, inputs: Float[Tensor, "batch *shape"], mode: Literal["train", "eval"]
) -> dict[str, Bool[Tensor, "batch units"]]:
    """For each linear or convolutional layer with a ReLU after it: which of its units are on for which example.

    A convolution has a unit for each channel and position. A ReLU that sums over a skip connection counts for the
    layer that ran last before it. ReLUs that are no module (`F.relu`) are not seen, nor are other activations.
    """
    found: dict[str, Tensor] = {}
    with _watching(task.network, found), torch.no_grad(), seeded("profile"):
        task.logits(weights.clone(), inputs, mode=mode)
    return found


@contextmanager
def _watching(network: nn.Module, active: dict[str, Tensor]) -> Iterator[None]:
    last = ""

    def weighted(name: str) -> Any:
        def note(*_: object) -> None:
            nonlocal last
            last = name

        return note

    def activated(_: nn.Module, __: object, output: Tensor) -> None:
        if last:
            active[last] = output.detach().flatten(1) > 0

    hooks = [m.register_forward_hook(weighted(n)) for n, m in network.named_modules() if isinstance(m, WEIGHTED)]
    hooks += [module.register_forward_hook(activated) for module in network.modules() if isinstance(module, nn.ReLU)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
