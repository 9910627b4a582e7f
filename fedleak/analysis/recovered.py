"""Recovered shares: how many of the examples behind its messages a server gets back, to the eye or nearly exactly."""

from collections.abc import Iterable
from dataclasses import dataclass

from fedleak.analysis.conditions import Condition, condition_of_row
from fedleak.results.row import Row
from fedleak.statistics.roc import Share

EXACT = 40.0
"""Decibels of PSNR from which on an image counts as recovered."""
PSNR = "psnr"


@dataclass(frozen=True, kw_only=True)
class Recovered:
    """What the attack that recovers most gets of one server's messages under one defense, in its best round."""

    condition: Condition
    server: str
    defense: str
    attack: str
    sender: str
    round: int
    share: Share
    examples: int
    """All that are behind the messages of a seed, at most."""


def recovered(rows: Iterable[Row]) -> list[Recovered]:
    """By condition, server and defense, in the order of the rows; an example that no guess was matched to is not."""
    groups: dict[tuple[Condition, str, str], dict[tuple[str, str, int], list[Row]]] = {}
    for row in rows:
        if row.split == "test" and row.metric == PSNR and row.applicable:
            sender = row.client if isinstance(row.client, str) else "client"
            place = condition_of_row(row), row.server, row.defense
            groups.setdefault(place, {}).setdefault((row.attack, sender, row.round), []).append(row)
    found = []
    for (condition, server, defense), tried in groups.items():
        most = [_recovered(condition, server, defense, *who, own) for who, own in tried.items()]
        found.append(max(most, key=lambda one: one.share.mean))
    return found


def _recovered(
    condition: Condition, server: str, defense: str, attack: str, sender: str, round: int, rows: list[Row]
) -> Recovered:
    shares = [sum(value >= EXACT for value in row.per_sample) / max(row.samples, 1) for row in rows]
    by_seed: dict[int, int] = {}
    for row in rows:
        by_seed[row.seed] = by_seed.get(row.seed, 0) + row.samples
    return Recovered(
        condition=condition,
        server=server,
        defense=defense,
        attack=attack,
        sender=sender,
        round=round,
        share=Share.of(shares, [row.seed for row in rows], "message"),
        examples=max(by_seed.values()),
    )
