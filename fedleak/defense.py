"""The contract of a defense, the registry that finds defenses by name, and chains of them."""

from abc import ABC
from typing import ClassVar

from torch import Generator

from fedleak.errors import ConfigError
from fedleak.plugin import Plugin
from fedleak.registry import Registry
from fedleak.settings import Table
from fedleak.update import Update


class Defense(Plugin, ABC):
    """What a client does to its update before it leaves; algorithm and parameters are public, `rng` is not."""

    protocol: ClassVar[str | None] = None
    """Name of the wire protocol the defense needs between clients and server; None: it acts on the update alone."""

    def protect(self, update: Update, rng: Generator) -> Update:  # noqa: ARG002
        """The update as it leaves the client; unchanged unless a defense says otherwise."""
        return update


defenses: Registry[Defense] = Registry("defense", "fedleak.defenses")


def protect(update: Update, chain: tuple[Defense, ...], rng: Generator) -> Update:
    """Applies the defenses in order."""
    for defense in chain:
        update = defense.protect(update, rng)
    return update


def protocol_of(chain: tuple[Defense, ...]) -> Defense | None:
    """The defense of the chain that needs a wire protocol, if there is one; raises when it is not the only and last."""
    needing = [defense for defense in chain if defense.protocol is not None]
    if not needing:
        return None
    if len(needing) > 1 or chain[-1] is not needing[0]:
        raise ConfigError(
            f"'{needing[0].name}' masks what the other defenses produced, so it must come once and last in a chain; "
            f"got {', '.join(defense.name for defense in chain)}"
        )
    return needing[0]


def build_chain(chain: tuple[Table, ...], where: str = "chain") -> tuple[Defense, ...]:
    """The defenses of a chain in order, from the tables of an experiment; refuses what cannot be chained."""
    built = tuple(defenses.from_table(table, f"{where}.{i}") for i, table in enumerate(chain))
    try:
        protocol_of(built)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error
    return built
