"""Surroundings of an optimizer: what is done to gradients before it has them, and what refers to it, as Opacus does."""

import gc
from collections.abc import Iterator
from typing import Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from fedleak.audit.seen import Private


class Handling:
    """What functions of torch do to gradients, by what `GradScaler`, `clip_grad_value_` and `clip_grad_norm_` call."""

    def __init__(self) -> None:
        self.done: list[tuple[str, float]] = []
        """As in `StepSeen`."""
        self._norm: Tensor | None = None

    def called(self, name: str, args: tuple[Any, ...], result: Any) -> None:
        """A function was called; clipping by norm divides by the norm and a millionth."""
        if name == "_amp_foreach_non_finite_check_and_unscale_":
            self.done.append(("unscaled", float(args[2])))
        elif name == "_foreach_clamp_max_":
            self.done.append(("by_value", float(args[1])))
        elif name == "add" and isinstance(args[-1], float) and args[-1] == 1e-6 and not result.dim():
            self._norm = result
        elif name == "__rdiv__" and args[0] is self._norm:
            self.done.append(("clipping", float(args[1])))


def private_around(optimizer: Optimizer) -> Private | None:
    """What Opacus does around an optimizer, which does not know it: it is looked for among what refers to it."""
    for one, own in _referring(optimizer):
        if own.get("original_optimizer") is optimizer:
            divided = own.get("expected_batch_size") if own.get("loss_reduction", "mean") == "mean" else 1
            return Private(
                max_norm=float(own["max_grad_norm"]),
                noise_multiplier=float(own["noise_multiplier"]),
                batch_size=float(divided or 1),
                by_layer=tuple(float(norm) for norm in own.get("max_grad_norms", ())),
                kind=type(one).__name__,
            )
    return None


def schedulers_of(optimizer: Optimizer) -> list[tuple[str, dict[str, Any]]]:
    """Schedulers of torch that refer to an optimizer, which does not know them: by class, with their numbers."""
    found = [(type(one), own) for one, own in _referring(optimizer) if own.get("optimizer") is optimizer]
    return [
        (kind.__name__, {name: value for name, value in own.items() if _is_numbers(value)})
        for kind, own in found
        if issubclass(kind, LRScheduler)
    ]


def _is_numbers(value: Any) -> bool:
    return all(isinstance(one, int | float) for one in (value if isinstance(value, list) else [value]))


def _referring(wanted: object) -> Iterator[tuple[object, dict[str, Any]]]:
    """Objects that have it as an attribute, and their attributes: Python keeps these in a dict of its own, or not."""
    for one in gc.get_referrers(wanted):
        if not isinstance(one, dict):
            yield one, getattr(one, "__dict__", {})
            continue
        for owner in gc.get_referrers(one):
            own: dict[str, Any] = getattr(owner, "__dict__", {})
            if own is one:
                yield owner, own
