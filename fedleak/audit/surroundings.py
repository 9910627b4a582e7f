"""Surroundings of an optimizer: what refers to it without its knowing, as Opacus and schedulers do."""

import gc
from collections.abc import Iterator
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from fedleak.audit.seen import Private


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
    """Schedulers of torch that refer to an optimizer, which does not know them: by class, with their attributes."""
    found = [(type(one), own) for one, own in _referring(optimizer) if own.get("optimizer") is optimizer]
    return [(kind.__name__, dict(own)) for kind, own in found if issubclass(kind, LRScheduler)]


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
