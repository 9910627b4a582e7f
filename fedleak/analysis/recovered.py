"""Recovered shares: how many of the examples behind its messages a server gets back, to the eye or nearly exactly."""

from collections.abc import Iterable
from dataclasses import dataclass

from fedleak.analysis.detection import Phase, phase_of
from fedleak.analysis.kinds import Kinds
from fedleak.results.row import Row
from fedleak.statistics.roc import Share

EXACT = 40.0
"""Decibels of PSNR from which on an image counts as recovered."""
PSNR = "psnr"


@dataclass(frozen=True, kw_only=True)
class Recovered:
    """What the attack that recovers most gets of one server's messages under one defense, in its best round."""

    task: str
    where: str
    """The setting without the server, in words."""
    server: str
    defense: str
    attack: str
    sender: str
    round: int
    phase: Phase
    share: Share
    examples: int
    """All that are behind the messages of a seed, at most."""


def recovered(rows: Iterable[Row]) -> list[Recovered]:
    """By task, kind of training, server, defense and phase, in the order of the rows.

    An example that no guess was matched to is not recovered.
    """
    groups: dict[tuple[str, str, str, str, Phase], dict[tuple[str, str, int], list[Row]]] = {}
    known = list(rows)
    kinds = Kinds(row.setting for row in known)
    for row in known:
        if row.split == "test" and row.metric == PSNR and row.applicable:
            sender = row.client if isinstance(row.client, str) else "client"
            place = row.task, kinds.of(row.setting), row.server, row.defense, phase_of(row.round)
            groups.setdefault(place, {}).setdefault((row.attack, sender, row.round), []).append(row)
    found = []
    for place, tried in groups.items():
        most = [_recovered(place, who, own) for who, own in tried.items()]
        found.append(max(most, key=lambda one: one.share.mean))
    return found


def _recovered(place: tuple[str, str, str, str, Phase], who: tuple[str, str, int], rows: list[Row]) -> Recovered:
    shares = [sum(value >= EXACT for value in row.per_sample) / max(row.samples, 1) for row in rows]
    by_seed: dict[int, int] = {}
    for row in rows:
        by_seed[row.seed] = by_seed.get(row.seed, 0) + row.samples
    task, where, server, defense, phase = place
    attack, sender, round = who
    return Recovered(
        task=task,
        where=where,
        server=server,
        defense=defense,
        phase=phase,
        attack=attack,
        sender=sender,
        round=round,
        share=Share.of(shares, [row.seed for row in rows], "message"),
        examples=max(by_seed.values()),
    )
