"""Mods of a ClientApp: which are known by name, and what each says against a server that is itself curious."""

import math
from dataclasses import dataclass, field
from typing import Any

import torch

from fedleak.audit.seen import State

COUNTS = "only counts"
SAYS = {
    "LocalDpMod": "clips and noises on the client: a curious server sees the noised update",
    "fixedclipping_mod": "clips on the client; the noise is the server's: a curious one sees updates without it",
    "adaptiveclipping_mod": "clips on the client, and says in clear whether it did; the noise is the server's",
    "secaggplus_mod": "masks the update: a curious server sees the sum alone, and counts and metrics in clear",
    "secagg_mod": "masks the update: a curious server sees the sum alone, and counts and metrics in clear",
    "arrays_size_mod": COUNTS,
    "parameters_size_mod": COUNTS,
    "message_size_mod": COUNTS,
}
"""By name of the function or class in `flwr.clientapp.mod`."""


@dataclass(frozen=True)
class Mod:
    """A mod of the app."""

    name: str
    options: dict[str, float] = field(default_factory=dict)
    """Its numbers."""

    @property
    def says(self) -> str:
        """What it does against a server that is itself curious."""
        return SAYS.get(self.name, "not one of Flower's: what it does shows in the replay alone")

    @property
    def protects(self) -> bool:
        """Whether it does anything to what is sent, as far as is known."""
        return SAYS.get(self.name) != COUNTS

    @property
    def masks(self) -> bool:
        """Whether a message says nothing without those of others."""
        return self.name in ("secaggplus_mod", "secagg_mod")

    @property
    def noise(self) -> float:
        """Standard deviation that it adds to each entry: sensitivity sqrt(2 ln(1.25 / delta)) / epsilon."""
        if self.name != "LocalDpMod":
            return 0.0
        own = self.options
        return own["sensitivity"] * math.sqrt(2 * math.log(1.25 / own["delta"])) / own["epsilon"]

    def clipped(self, before: State, after: State) -> State:
        """What it makes of a client's state before it adds noise: the change cut to its norm."""
        change = {name: value.double() - before[name].double() for name, value in after.items()}
        norm = float(torch.cat([value.flatten() for value in change.values()]).norm())
        scale = min(1.0, self.options["clipping_norm"] / max(norm, 1e-300))
        return {name: (before[name].double() + scale * value).to(after[name].dtype) for name, value in change.items()}


def mods_of(app: Any) -> tuple[Mod, ...]:
    """The mods of a ClientApp, in their order."""
    return tuple(_mod(one) for one in getattr(app, "_mods", None) or ())


def _mod(one: Any) -> Mod:
    """By its name; one of the app's own is not taken for Flower's, whatever it is called."""
    made = one if hasattr(one, "__name__") else type(one)
    name, module = made.__name__, str(made.__module__)
    if name in SAYS and module.partition(".")[0] != "flwr":
        return Mod(f"{module}.{name}")
    numbers = {} if made is one else {key: float(value) for key, value in vars(one).items() if _is_number(value)}
    return Mod(name, numbers)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)
