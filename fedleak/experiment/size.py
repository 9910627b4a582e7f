"""Size of a grid, from the lengths of its axes before anything is built."""

from dataclasses import dataclass
from math import prod
from typing import Any

from fedleak.errors import ConfigError
from fedleak.experiment import axes
from fedleak.experiment.axes import Axis
from fedleak.settings.base import Table, dotted
from fedleak.settings.federation import FederationSettings, PlanSettings

MOST_POINTS = 100_000
"""A grid beyond this is a mistake, and would fill the memory before it fills the disk."""
MOST_CELLS = 1_000_000
"""Attacks on messages: likewise."""
PLAN_FIELDS = tuple(PlanSettings.model_fields)


@dataclass(frozen=True)
class Part:
    """One combination of a grid: the file with its changes, and the axes there."""

    name: str
    tree: Table
    found: list[Axis]

    @classmethod
    def of(cls, name: str, tree: Table) -> "Part":
        """The combination of a merged file."""
        return cls(name, tree, axes.axes_of(tree))

    @property
    def settings(self) -> list[Axis]:
        """The axes whose values are points; the others are variants of an attack or defense."""
        return [axis for axis in self.found if axis.path[0] in PLAN_FIELDS]

    def points(self, tuning: tuple[int, ...]) -> int:
        """How many points there are, tuning seeds among them."""
        seeds = next((len(axis.values) for axis in self.settings if axis.path == ("seed",)), 1)
        return prod(len(axis.values) for axis in self.settings if axis.path != ("seed",)) * (seeds + len(tuning))

    def variants(self, kind: str) -> int:
        """How many attacks or defenses there are; one where the file is silent or wrong."""
        tables = self.tree.get(kind)
        places = range(len(tables)) if isinstance(tables, list) else range(0)
        return sum(prod(len(axis.values) for axis in axes.below(self.found, kind, i)) for i in places) or 1

    def each(self, key: str) -> list[int]:
        """The numbers of clients or rounds; one where it is no number, which the parser complains about."""
        federation = self.tree.get("federation")
        value: Any = federation.get(key) if isinstance(federation, dict) else None
        if value is None:
            value = FederationSettings.model_fields[key].default
        return [
            one if isinstance(one, int) and one > 0 else 1 for one in (value if isinstance(value, list) else [value])
        ]

    def cells(self, tuning: tuple[int, ...]) -> int:
        """How many attacks on messages there are, but for those on sums."""
        clients, rounds = self.each("clients"), self.each("rounds")
        adversary = self.tree.get("adversary")
        victims = adversary.get("victims") if isinstance(adversary, dict) else None
        if isinstance(victims, int) and victims > 0:
            clients = [min(one, victims) for one in clients]
        others = self.points(tuning) // (len(clients) * len(rounds))
        return others * sum(clients) * sum(rounds) * self.variants("attacks") * self.variants("defenses")

    def factors(self, tuning: tuple[int, ...]) -> dict[str, int]:
        """What the number of cells is at most the product of."""
        return {
            "settings": self.points(tuning),
            "attacks": self.variants("attacks"),
            "defenses": self.variants("defenses"),
            "clients": max(self.each("clients")),
            "rounds": max(self.each("rounds")),
        }


def require_fewer(parts: list[Part], tuning: tuple[int, ...], calibration: int = 0) -> None:
    """Refuses a grid that is too large, with what it is the product of; `calibration` seeds set thresholds."""
    points = sum(part.points(tuning) for part in parts) + calibration * len(parts)
    if points > MOST_POINTS:
        largest = max(parts, key=lambda part: part.points(tuning))
        what = {dotted(*axis.path): len(axis.values) for axis in largest.settings}
        raise ConfigError(
            f"the grid has {points} settings ({_product(what, parts)}); expected at most {MOST_POINTS}, split it"
        )
    cells = sum(part.cells(tuning) for part in parts)
    if cells > MOST_CELLS:
        largest = max(parts, key=lambda part: part.cells(tuning))
        raise ConfigError(
            f"the grid has {cells} cells (at most {_product(largest.factors(tuning), parts)}); "
            f"expected at most {MOST_CELLS}, split it"
        )


def _product(factors: dict[str, int], parts: list[Part]) -> str:
    """`3 seed x 4 federation.clients`, and where there are combinations that this is the largest of them."""
    text = " x ".join(f"{number} {what}" for what, number in factors.items())
    return text if len(parts) == 1 else f"{text}, the largest of {len(parts)} combinations"
