"""Tampering: refuses what does not fit its federation, what no attack reads, and attacks that have nothing to read."""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache

from fedleak.contracts.attack import attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.tampered import WHERE, built, sent_parameters
from fedleak.contracts.tampering import PublicTerms, Tampering, tamperings
from fedleak.errors import ConfigError
from fedleak.formatting import listed
from fedleak.settings.base import Table
from fedleak.settings.federation import PlanSettings
from fedleak.tasks import hardened


def require_tampering(settings: PlanSettings, tables: Sequence[Table], chains: Mapping[str, Chain]) -> None:
    """Raises `ConfigError` for tampering that cannot be done there or that no attack reads, and for what reads none.

    `tables` are the attacks without their labels.
    """
    does = built(settings.adversary.does)
    tamperings_read = {cls.name for cls in tamperings}
    reading = [(str(table["use"]), reads_of(table) & tamperings_read) for table in tables]
    for i, one in enumerate(does):
        _require_whose(one, i, columns=settings.federation.split is not None)
    _require_one_of_each(does)
    _require_something_to_read(does, reading)
    for i, one in enumerate(does):
        if tables and not any(one.name in names for _, names in reading):
            raise ConfigError(f"{WHERE}.{i}: no attack here reads what {one.name} leaves; {_remedy(one)}")
        for chain in chains.values():
            try:
                one.require(terms_of(settings, chain))
            except ConfigError as error:
                raise ConfigError(f"{WHERE}.{i}: {error}") from error


def terms_of(settings: PlanSettings, chain: Chain) -> PublicTerms:
    """What is public of the federation under a chain."""
    task = hardened(settings.task, chain, settings.federation.split)
    return PublicTerms(
        federation=chain.settings(settings.federation), task=task, sent=sent_parameters(task, chain.local)
    )


def reads_of(table: Table) -> frozenset[str]:
    """The tamperings that the attack of a table reads."""
    return _reads(json.dumps(table, sort_keys=True))


@lru_cache(maxsize=1024)
def _reads(text: str) -> frozenset[str]:
    return attacks.from_table(json.loads(text)).reads


def _require_whose(one: Tampering, place: int, *, columns: bool) -> None:
    if columns and one.by != "party":
        raise ConfigError(
            f"{WHERE}.{place}: {one.name} tampers with what clients with rows of their own train, and these hold "
            'columns (federation.partition = "columns"); leave it out'
        )
    if not columns and one.by == "party":
        raise ConfigError(
            f"{WHERE}.{place}: {one.name} is done by a party that holds columns, and here clients hold rows; set "
            'federation.partition = "columns", or leave it out'
        )


def _require_one_of_each(does: Sequence[Tampering]) -> None:
    """What was hidden is found by name, and a client moves its own parameters once."""
    for i, one in enumerate(does):
        before = {other.name: other for other in does[:i]}
        if one.name in before:
            raise ConfigError(
                f"{WHERE}.{i}: expected each tampering once, got {one.name} again, and an attack would read one of "
                "them; leave one out, or give a list of lists, which are runs of their own"
            )
        slicing = next((other.name for other in before.values() if other.moves_slices and one.moves_slices), None)
        if slicing is not None:
            raise ConfigError(
                f"{WHERE}.{i}: {one.name} and {slicing} both move parameters that each client has of its own, and each "
                "would multiply the other's step; leave one out"
            )


def _require_something_to_read(does: Sequence[Tampering], reading: Sequence[tuple[str, frozenset[str]]]) -> None:
    done = {one.name for one in does}
    for i, (name, reads) in enumerate(reading):
        if reads and not reads & done:
            does_now = f"the training code does {listed(sorted(done))}" if done else "nobody tampers"
            example = f'does = [{{ use = "{min(reads)}" }}]'
            raise ConfigError(
                f"attacks.{i}: {name} reads what {listed(sorted(reads), 'or')} leaves, and {does_now}; set {WHERE}, as "
                f"in {example}, or leave it out"
            )


def _remedy(one: Tampering) -> str:
    fitting = [cls.name for cls in attacks if one.name in _reads_by_default(cls.name)]
    return f"add {listed(fitting, 'or')}, or leave it out" if fitting else "leave it out"


@lru_cache(maxsize=1024)
def _reads_by_default(name: str) -> frozenset[str]:
    """Of an attack with its defaults; nothing of one that needs options, as wrappers do."""
    try:
        return attacks.build(name, {}).reads
    except ConfigError:
        return frozenset()
