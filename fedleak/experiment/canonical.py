"""Canonical form of an experiment, with every option written out, and content hashes of it."""

import json
from functools import lru_cache
from typing import Any

from fedleak.contracts import manipulated
from fedleak.contracts.attack import attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.imports import code_fingerprint
from fedleak.contracts.tampered import built, tables_of
from fedleak.experiment.experiment import Experiment, NamedDefense, unlabeled
from fedleak.learning.facts import Device
from fedleak.settings.adversary import ASKED_LATER, CRAFTED_FROM
from fedleak.settings.base import Table
from fedleak.settings.columns import without_no_strategy
from fedleak.settings.federation import FederationSettings, PlanSettings
from fedleak.settings.server import ROW
from fedleak.settings.task import unplaced


def experiment_facts(experiment: Experiment) -> Table:
    """The experiment as plain data with every option of its attacks and defenses written out."""
    facts = without_no_strategy(experiment.model_dump(mode="json", exclude_none=True))
    labels = [{"label": table["label"]} if "label" in table else {} for table in experiment.attacks]
    own = [_attack_table(json.dumps(unlabeled(table), sort_keys=True), None) for table in experiment.attacks]
    facts["attacks"] = [{**table, **label} for table, label in zip(own, labels, strict=True)]
    facts["defenses"] = [{"name": row.name, "chain": chain_tables(row)} for row in experiment.defenses]
    facts["adversary"]["does"] = tampering_tables(experiment)
    return {**facts, **server_facts(experiment)} if not experiment.server.honest else without(facts, ROW)


def settings_facts(settings: PlanSettings) -> Table:
    """What a federation is run from, but for its defenses and what matters only to who attacks later."""
    own = settings.model_dump(mode="json", exclude_none=True, include=set(PlanSettings.model_fields))
    crafted_from = () if settings.server.honest else (key.rpartition(".")[2] for key in CRAFTED_FROM)
    later = set(ASKED_LATER).difference(crafted_from)
    own["adversary"] = {key: value for key, value in own["adversary"].items() if key not in later}
    own = without(own, ROW) if settings.server.honest else {**own, **server_facts(settings)}
    own["adversary"]["does"] = tampering_tables(settings)
    own["federation"] = {**own["federation"], "release": settings.models}
    if settings.task.bundle is not None:
        own["task"] = unplaced(own["task"])
    elif settings.task.own_code:  # other code is another task, wherever it lies
        own["task"] = {**own["task"], "folder": _code(settings.task.own_code, settings.task.folder)}
    return own


def attack_tables(experiment: Experiment) -> list[Table]:
    """`{use = name, ...}` with every option, for each attack; the device is the experiment's where none is named."""
    texts = [json.dumps(unlabeled(table), sort_keys=True) for table in experiment.attacks]
    return [_attack_table(text, experiment.device) for text in texts]


def placed(full: Table, written: Any, device: Device | None) -> Table:
    """An attack's table, of what was `written`, with another default of the option `device`; None leaves it out."""
    named = written if isinstance(written, dict) else {}
    inner = {key: placed(value, named.get(key), device) for key, value in full.items() if isinstance(value, dict)}
    if "device" not in full or "device" in named:
        return {**full, **inner}
    rest = {key: value for key, value in full.items() if key != "device"}
    return {**rest, **inner} if device is None else {**full, **inner, "device": device}


def named_in(table: Table) -> set[str]:
    """The devices that an attack's table names, its own and those of attacks within it."""
    inner = [named_in(value) for value in table.values() if isinstance(value, dict)]
    return {table["device"]}.union(*inner) if "device" in table else set().union(*inner)


def tampering_tables(settings: PlanSettings) -> list[Table]:
    """`{use = name, ...}` with every option, for each tampering."""
    return _tampering_tables(json.dumps(settings.adversary.does, sort_keys=True))


def server_facts(settings: PlanSettings) -> Table:
    """What the server does beside averaging, every option of its manipulations written out."""
    server = settings.server
    return {ROW: {"name": server.name, "chain": _server_tables(json.dumps(server.chain)), "begins": server.begins}}


def without(table: Table, key: str) -> Table:
    """A table without a key."""
    return {name: value for name, value in table.items() if name != key}


def chain_tables(row: NamedDefense) -> list[Table]:
    """`{use = name, ...}` with every option, for each defense of a chain."""
    return _chain_tables(json.dumps(row.chain, sort_keys=True))


def acting_tables(experiment: Experiment, row: NamedDefense) -> list[Table]:
    """The same for the defenses as they act in that run: what recordings depend on."""
    return _acting_tables(json.dumps(row.chain, sort_keys=True), _phases(experiment))


def training_tables(experiment: Experiment, row: NamedDefense) -> list[Table]:
    """The same without defenses of a prediction API's answers: what a federation is run under."""
    return _trained_under(row, _phases(experiment))


def trained_as(experiment: Experiment, row: NamedDefense) -> NamedDefense:
    """The first defense that is trained under in the same way: rows that differ in answers share its federation."""
    phases = _phases(experiment)
    own = _trained_under(row, phases)
    return next(other for other in experiment.defenses if _trained_under(other, phases) == own)


def _phases(experiment: Experiment) -> tuple[str, ...]:
    return tuple(phase.model_dump_json() for phase in experiment.phases)


def _trained_under(row: NamedDefense, phases: tuple[str, ...]) -> list[Table]:
    return _acting_tables(json.dumps(row.chain, sort_keys=True), phases, training=True)


_code = lru_cache(maxsize=64)(code_fingerprint)
"""Once a process, as modules are imported once."""


# The points of a campaign share their few attacks and chains: each is built once, not ten thousand times.
@lru_cache(maxsize=1024)
def _attack_table(text: str, device: Device | None) -> Table:
    written = json.loads(text)
    attack = attacks.from_table(written)
    return placed({"use": attack.name, **attack.options()}, written, device)


@lru_cache(maxsize=1024)
def _chain_tables(text: str) -> list[Table]:
    return Chain.build(tuple(json.loads(text))).tables


@lru_cache(maxsize=1024)
def _tampering_tables(text: str) -> list[Table]:
    return tables_of(built(json.loads(text)))


@lru_cache(maxsize=1024)
def _server_tables(text: str) -> list[Table]:
    return manipulated.tables_of(manipulated.built(json.loads(text)))


@lru_cache(maxsize=1024)
def _acting_tables(text: str, phases: tuple[str, ...], *, training: bool = False) -> list[Table]:
    settings = tuple(FederationSettings.model_validate_json(phase) for phase in phases)
    chain = Chain.build(tuple(json.loads(text))).planned(settings)
    return (chain.training if training else chain).tables
