"""Plan of a campaign: a cell for every attack on every message, each with the address of all that it depends on."""

import json
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import get_args

from fedleak.campaign.cell import Cell
from fedleak.contracts.attack import attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.cut import Cut
from fedleak.contracts.observation import Observation
from fedleak.experiment.access import compares_versions, looks_at, reads_payload, seats_of, sees_model
from fedleak.experiment.campaign import Campaign, Point, distinct
from fedleak.experiment.canonical import (
    acting_tables,
    attack_tables,
    named_in,
    settings_facts,
    trained_as,
    training_tables,
)
from fedleak.experiment.experiment import Experiment, NamedDefense
from fedleak.experiment.naming import algorithm_of, labeled_attacks, variants_of
from fedleak.experiment.servers import fits_server
from fedleak.federation.outcome import ClientFailure
from fedleak.federation.plan import EVERYTHING, Recorded
from fedleak.io.fingerprint import address_of, source_fingerprint
from fedleak.learning.facts import Device
from fedleak.results.row import Place
from fedleak.results.schema import ACTIVE, AGGREGATE, MODEL, RELAY, Who, setting_key
from fedleak.settings.base import Table
from fedleak.statistics.group import Variant, sender_of

MessageKey = tuple[int, Who]
"""Of a message in its federation: round and sender."""
ANY, EARLY = sys.maxsize, 0
"""Rounds that none is: of any message but the first release, sent once a server that cheats has begun, or before."""


def records_of(campaign: Campaign) -> tuple[Recorded, ...]:
    """What the federations of a campaign record: what some attack looks at; without attacks all there is."""
    tables = [table for experiment in distinct(campaign) for table in attack_tables(experiment)]
    seen = {looks_at(table) for table in tables}
    looked_at: dict[Recorded, bool] = {"updates": Observation in seen, "model": True, "cut": Cut in seen}
    return tuple(kind for kind, wanted in looked_at.items() if wanted or not tables)


def federation_address(experiment: Experiment, row: NamedDefense, records: tuple[Recorded, ...] = EVERYTHING) -> str:
    """What recordings depend on: settings, defenses, source of fedleak; not the rounds after them by themselves."""
    trained = trained_as(experiment, row)
    chain = {"name": trained.name, "chain": training_tables(experiment, trained)}
    settings = {key: value for key, value in settings_facts(experiment).items() if key != "utility"}
    return address_of([settings, chain, records, source_fingerprint()])


def whole_address(experiment: Experiment, row: NamedDefense, records: tuple[Recorded, ...] = EVERYTHING) -> str:
    """What a federation depends on, to its end."""
    return address_of([federation_address(experiment, row, records), experiment.utility.model_dump(mode="json")])


def expected_counts(
    experiment: Experiment, row: NamedDefense, records: tuple[Recorded, ...] = EVERYTHING
) -> Mapping[Who, int]:
    """How many of each kind there are of these; 0 stands for any client, whose messages are attacked alike."""
    rounds = experiment.federation.rounds if _of_rounds(experiment) in records else 0
    senders = Counter(0 if not isinstance(who, str) else who for who in senders_of(experiment, row))
    counts: dict[Who, int] = {who: rounds * many for who, many in senders.items()}
    counts[MODEL] = len(experiment.models) if "model" in records else 0
    return {who: many for who, many in counts.items() if many}


def expected_messages(
    experiment: Experiment, row: NamedDefense, records: tuple[Recorded, ...] = EVERYTHING
) -> list[MessageKey]:
    """The messages that there will be if every client takes part in every round and none fails, models among them."""
    updates = range(1, experiment.federation.rounds + 1) if _of_rounds(experiment) in records else ()
    models = experiment.models if "model" in records else ()
    senders = senders_of(experiment, row)
    return [*((round, who) for round in updates for who in senders), *((round, MODEL) for round in models)]


def first_release(experiment: Experiment) -> MessageKey:
    """The first model that leaves the federation, which there is no earlier version of."""
    return min(experiment.models, default=0), MODEL


def senders_of(experiment: Experiment, row: NamedDefense) -> tuple[Who, ...]:
    """Whom the messages of a round are from if every client takes part: victims, and the sum where one is revealed.

    Where clients hold columns, all who keep a diary: each sees what nobody else does.
    """
    if experiment.federation.split is not None:
        return (ACTIVE, *range(1, experiment.federation.clients), RELAY)
    clients = tuple(client for client in range(experiment.federation.clients) if experiment.adversary.attacks(client))
    return (*clients, AGGREGATE) if _reveals_a_sum(json.dumps(row.chain)) else clients


def sender_that_failed(failure: ClientFailure, experiment: Experiment) -> MessageKey:
    """The message that there would have been without a failure, or the sum that was lost with it."""
    if experiment.federation.split is not None:
        return failure.round, RELAY if failure.client is None else failure.client or ACTIVE
    return failure.round, AGGREGATE if failure.client is None else failure.client


def _of_rounds(experiment: Experiment) -> Recorded:
    """What each round leaves."""
    return "updates" if experiment.federation.split is None else "cut"


@lru_cache(maxsize=1024)
def _reveals_a_sum(chain: str) -> bool:
    return Chain.build(tuple(json.loads(chain))).protocol is not None


@dataclass(frozen=True)
class Choice:
    """Which of an attack's variants tuning chose, on each kind of message."""

    winners: frozenset[Variant] = frozenset()

    def labels(self, campaign: Campaign, point: Point, defense: str, message: MessageKey) -> list[str]:
        """The attacks that are run on a message; on the first release none that compares it with one before.

        All, unless the campaign asks for those that were chosen alone: then on tuning seeds only what there is a choice
        of, and on the others the winner of that, or its first variant where none has a figure.
        """
        tables, who = labeled_attacks(point.experiment), message[1]
        first = message == first_release(point.experiment)
        server = point.experiment.server
        fits = {label: _fits(table, who) and fits_server(table, server, message[0]) for label, table in tables.items()}
        every = [label for label, table in tables.items() if fits[label] and not (first and compares_versions(table))]
        variants = {label: name for label, name in variants_of(point.experiment).items() if label in every}
        if not campaign.only_chosen:
            return every
        if point.split == "tuning":
            return list(variants)
        sender = sender_of(who)
        place = (point.experiment.task.label, setting_key(point.setting), defense)
        firsts = {algorithm: label for label, algorithm in reversed(variants.items())}
        chosen = {one.algorithm: one.attack for one in self.winners if (*one[:3], one.sender) == (*place, sender)}
        return [label for label in every if label not in variants or {**firsts, **chosen}[variants[label]] == label]


def _fits(table: Table, who: Who) -> bool:
    """Whether an attack is run on such a message."""
    if looks_at(table) is Cut:
        return who != MODEL and (who if isinstance(who, str) else "passive") in seats_of(table)
    return sees_model(table) == (who == MODEL)


UNTUNED = Choice()


def cells_of(
    campaign: Campaign,
    number: int,
    root: Path,
    row: NamedDefense,
    messages: Mapping[MessageKey, str],
    choice: Choice = UNTUNED,
    honest: Mapping[MessageKey, str] | None = None,
) -> list[Cell]:
    """The cells of one point under one defense, in the order of the results: by message, then attack.

    `messages` have a digest of what was recorded, which is part of the cell's address; those of all messages are where
    an attack wants more than its own, as one on a cut does, where others' networks are in their diaries. Those of the
    clean twin, `honest`, are part of it where the attack's payload is looked for in them too.
    """
    point = campaign.points[number]
    experiment = point.experiment
    federation = federation_address(experiment, row, records_of(campaign))
    adversary, chain = experiment.adversary, tuple(acting_tables(experiment, row))
    tables = labeled_attacks(experiment)
    unsaid = set() if adversary.explanations else {"explanations"}  # as before there were any
    common = (federation, experiment.metrics, adversary.model_dump(mode="json", exclude=unsaid), chain)
    every = list(messages.values())
    wide = {label for label, one in tables.items() if looks_at(one) is Cut or attacks.from_table(one).requires}
    read = {label for label, one in tables.items() if reads_payload(one)} if point.twin else set()
    more = {one: [every] * (one in wide) + [[*(honest or {}).values()]] * (one in read) for one in tables}
    return [
        Cell(
            root=root,
            point=number,
            place=place_of(point, row.name, (round, who), label, algorithm_of(tables[label])),
            table=tables[label],
            metrics=experiment.metrics,
            adversary=adversary,
            chain=chain,
            twin=point.twin if label in read else None,
            home=experiment.task.home,
            address=address_of([*common, digest, round, who, label, tables[label], *more[label]]),
        )
        for (round, who), digest in messages.items()
        for label in choice.labels(campaign, point, row.name, (round, who))
    ]


def place_of(point: Point, defense: str, message: MessageKey, attack: str, algorithm: str) -> Place:
    """Where an attack on a message belongs in the results."""
    round, who = message
    return Place(
        task=point.experiment.task.label,
        setting=point.setting,
        federation=point.federation,
        split=point.split,
        algorithm=algorithm,
        attack=attack,
        defense=defense,
        server=point.experiment.server.name,
        client=who,
        round=round,
        seed=point.experiment.seed,
    )


def devices_of(campaign: Campaign) -> set[Device]:
    """The kinds of device that clients and attacks of a campaign compute on."""
    tables = [table for experiment in distinct(campaign) for table in attack_tables(experiment)]
    named = set().union(*map(named_in, tables)) | {point.experiment.device for point in campaign.points}
    return {kind for kind in get_args(Device) if kind in named}


def counts_of(campaign: Campaign) -> tuple[int, int]:
    """Federations and cells, if every client takes part in every round."""
    federations, cells, records = set(), 0, records_of(campaign)
    for point in campaign.points:
        for row in point.experiment.defenses:
            trained = trained_as(point.experiment, row).name
            federations |= {(name, trained) for name in (point.federation, point.twin) if name is not None}
            cells += expected_cells(campaign, point, row, records, UNTUNED)
    return len(federations), cells


def expected_cells(
    campaign: Campaign, point: Point, row: NamedDefense, records: tuple[Recorded, ...], choice: Choice
) -> int:
    """How many cells there are of a point under one defense, if every client takes part in every round."""
    counts = expected_counts(point.experiment, row, records)
    usual = {who: len(choice.labels(campaign, point, row.name, (ANY, who))) for who in counts}
    first = choice.labels(campaign, point, row.name, first_release(point.experiment))
    fewer = usual[MODEL] - len(first) if MODEL in counts else 0
    early = {who: usual[who] - len(choice.labels(campaign, point, row.name, (EARLY, who))) for who in counts}
    unread = sum(counts[who] * many for who, many in early.items() if who != MODEL)
    fewer += unread * (point.experiment.server.begins - 1) // point.experiment.federation.rounds
    return sum(many * usual[who] for who, many in counts.items()) - fewer
