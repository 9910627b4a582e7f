"""Servers: refuses manipulations that do not fit their federation, and attacks that read what no server planted."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache

from fedleak.contracts.attack import attacks
from fedleak.contracts.catalogue import entries
from fedleak.contracts.chain import Chain
from fedleak.contracts.manipulated import built, require_fitting
from fedleak.contracts.manipulation import ServerTerms, manipulations, planted
from fedleak.errors import ConfigError
from fedleak.experiment.tampering import reads_of
from fedleak.formatting import listed
from fedleak.settings.base import Table
from fedleak.settings.federation import PlanSettings
from fedleak.settings.server import ROWS, ServerSettings
from fedleak.tasks import hardened

SOMETHING = {"use": "prior"}
"""An attack to put into a wrapper."""


def require_networks(settings: PlanSettings, chains: Mapping[str, Chain]) -> None:
    """Raises `ConfigError` where a server's manipulations or a defense do not fit federation, protocol or network.

    Most defenses have no say in the network, and building one for each point of a campaign takes long.
    """
    for i, chain in enumerate(chains.values()):
        if settings.server.honest and not chain.shapes_the_network:
            continue
        try:
            hardened(settings.task, chain, settings.federation.split)
        except ConfigError as error:
            raise ConfigError(f"defenses.{i}.chain: {error}") from error
    for chain in chains.values():
        require_server(settings, chain)


def require_server(settings: PlanSettings, chain: Chain) -> None:
    """Raises `ConfigError` where the server's manipulations do not fit a federation under one chain of defenses."""
    server = settings.server
    if server.honest:
        return
    where = f"server '{server.name}', chain"
    does = built(server.chain, where)
    if settings.federation.split is not None:
        raise ConfigError(
            f"{where}: a server sends weights to clients that hold rows, and here they hold columns "
            '(federation.partition = "columns"); leave it out'
        )
    if server.begins > settings.federation.rounds:
        raise ConfigError(
            f"server '{server.name}', begins: expected one of the {settings.federation.rounds} recorded rounds "
            f"(federation.rounds), got {server.begins}"
        )
    try:
        task = hardened(settings.task, chain, settings.federation.split, does)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error
    terms = ServerTerms(
        federation=chain.settings(settings.federation),
        task=task,
        protocol=None if chain.protocol is None else chain.protocol.protocol,
        public=settings.adversary.auxiliary,
        begins=server.begins,
        victims=settings.adversary.victims,
    )
    require_fitting(does, terms, where)


def fits_server(table: Table, server: ServerSettings, round: int) -> bool:
    """Whether the attack of a table has something to read in a round: any has that reads no manipulation.

    Before the server begins, weights are as an honest one sends them.
    """
    wanted = reads_of(table) & manipulations_read()
    does = {str(one["use"]) for one in _inner(server.chain)} if round >= server.begins else set()
    return not wanted or bool(wanted & does)


def require_readers(servers: Iterable[ServerSettings], tables: Sequence[Table]) -> None:
    """Raises `ConfigError` for an attack that reads what none of the servers planted."""
    planted = {str(one["use"]) for server in servers for one in _inner(server.chain)}
    for table in tables:
        wanted = reads_of(table) & manipulations_read()
        if wanted and not wanted & planted:
            does = f"the servers do {listed(sorted(planted))}" if planted else "the server is honest"
            raise ConfigError(
                f"attacks: {table['use']} reads what {listed(sorted(wanted), 'or')} leaves, and {does}; add a row "
                f'[[{ROWS}]], as in chain = [{{ use = "{min(wanted)}" }}], or leave it out'
            )


def _inner(tables: Iterable[Table]) -> Iterable[Table]:
    """Manipulations, and those within them."""
    for table in tables:
        yield table
        yield from _inner(value for value in table.values() if isinstance(value, dict) and "use" in value)


@lru_cache(maxsize=1)
def manipulations_read() -> frozenset[str]:
    """The names of all manipulations."""
    return frozenset(cls.name for cls in manipulations)


def deeds_of(server: ServerSettings) -> frozenset[str]:
    """The names of what a server does, of what is within a wrapper too."""
    return frozenset(one.name for one in planted(built(server.chain)))


def readers_of(manipulation: str) -> tuple[str, ...]:
    """The attacks that read what a manipulation leaves, by name; a lie leaves what any attack reads, so it has none."""
    return tuple(name for name, reads in _readers().items() if manipulation in reads)


@cache
def _readers() -> dict[str, frozenset[str]]:
    """What each attack reads that can be built without more being said than what is wrapped."""
    known = frozenset(cls.name for cls in manipulations)
    plain = [entry for entry in entries("attack") if entry.needed in ((), ("attack",))]
    made = {one.name: attacks.build(one.name, dict.fromkeys(one.needed, SOMETHING)) for one in plain}
    return {name: one.reads & known for name, one in made.items() if one.reads & known}
