"""Memory of an evaluation: how much it takes, and which blocks of the network could be computed again to take less."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from fedleak.learning.recomputation import is_plain, tensors_in
from fedleak.learning.weights import NamedTensors
from fedleak.randomness import seeded

from .objective import Loss, Objective, Variables

PASSES = 2.5
"""Times what a forward pass keeps, at most, that an evaluation takes (1.5 to 2.4 in torchvision's networks)."""
COPIES = 2
"""Times the size of the parameters: their gradient, and what is made of it."""
RECENT = 16
"""Tensors that are remembered, so that what several layers in a row keep counts once."""
FINEST = 8
"""A block keeps at most one in so many parts of all that is kept, where the network has blocks as small."""


@dataclass(eq=False)
class Demand:
    """What one evaluation of an objective takes, as far as one forward pass shows."""

    kept: int = 0
    """Bytes that a forward pass keeps for the way back."""
    parameters: int = 0
    by_module: dict[nn.Module, int] = field(default_factory=dict)
    """What is kept of `kept` while a module runs."""
    awkward: set[nn.Module] = field(default_factory=set)
    """Modules that were given more than tensors, give more than one, or wrote to what they were given."""
    outermost: list[nn.Module] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        """At the peak, about."""
        return int(PASSES * self.kept + COPIES * self.parameters)

    def blocks(self) -> list[nn.Module]:
        """What can be computed again."""
        return [block for module in dict.fromkeys(self.outermost) for block in self._below(module)]

    def _below(self, module: nn.Module) -> Iterator[nn.Module]:
        for child in module.children():
            if not self.by_module.get(child) or not list(child.children()):
                continue
            finer, own = list(self._below(child)), self.by_module[child]
            coarse = own > self.kept / FINEST and 2 * sum(self.by_module[one] for one in finer) >= own
            yield from finer if coarse or child in self.awkward else [child]


def demand_of(objective: Objective, start: Variables) -> Demand | None:
    """The demand, by a forward pass of which nothing is kept; None where the loss cannot be computed so."""
    demand, ignored = Demand(), set[int]()
    variables = {name: value.detach().requires_grad_() for name, value in start.items()}

    def gradient(loss: Loss, at: NamedTensors) -> NamedTensors:
        demand.parameters = max(demand.parameters, sum(value.nbytes for value in at.values()))
        ignored.update(value.untyped_storage().data_ptr() for value in at.values())
        loss(at)
        return {name: torch.ones_like(value) for name, value in at.items()}

    try:
        with _entering_into(demand, ignored), seeded("demand"):
            objective.loss(variables, gradient)
    except (ValueError, RuntimeError):
        return None
    return demand


@contextmanager
def _entering_into(demand: Demand, ignored: set[int]) -> Iterator[None]:
    """Watches who runs, and what is kept meanwhile but for what lies at `ignored` addresses."""
    running: list[tuple[nn.Module, list[int]]] = []
    recent: deque[torch.UntypedStorage] = deque(maxlen=RECENT)

    def keep(value: Tensor) -> None:
        storage = value.untyped_storage()
        if storage.data_ptr() in ignored.union(other.data_ptr() for other in recent):
            return
        recent.append(storage)
        demand.kept += storage.nbytes()
        for module, _ in running:
            demand.by_module[module] = demand.by_module.get(module, 0) + storage.nbytes()

    def begin(module: nn.Module, given: Any) -> None:
        if not running:
            demand.outermost.append(module)
        running.append((module, [value._version for value in tensors_in(given)]))

    def end(module: nn.Module, given: Any, output: Any) -> None:
        same = running.pop()[1] == [value._version for value in tensors_in(given)]
        if not (same and isinstance(output, Tensor) and is_plain(given)):
            demand.awkward.add(module)

    with (
        register_module_forward_pre_hook(begin),
        register_module_forward_hook(end),
        torch.autograd.graph.saved_tensors_hooks(keep, lambda nothing: nothing),
    ):
        yield
