"""Refusals: messages that were never sent, as clients refused what a server that cheats sent them."""

from collections.abc import Iterable, Sequence

from fedleak.analysis.conditions import Tried, condition_of_row
from fedleak.formatting import counted
from fedleak.results.federation_row import FederationRow
from fedleak.results.row import Row
from fedleak.results.schema import AGGREGATE, setting_key

REFUSED = "ModelRefused:"
"""How the reason of a client begins whose checks refused the model."""


def nothing_left(rows: Sequence[Row], federations: Iterable[FederationRow]) -> str:
    """Why there was nothing to attack in any of these messages, as a clause; empty where there may have been."""
    if not rows or len(never_sent(rows, federations)) < len(rows):
        return ""
    rounds = counted(len({(row.seed, row.round) for row in rows}), "round")
    return f"clients refused what the server sent, and nothing was left to attack in {rounds}: {rows[0].reason}"


def never_sent(rows: Iterable[Row], federations: Iterable[FederationRow]) -> list[Row]:
    """Those of messages that were never sent, as clients refused what the server had sent them.

    A client's message was refused by itself; a sum was lost in a round that clients left because they refused the
    model, and none for another reason. Where the server did no more than average, and where others left a round, it is
    a round without a figure as any other.
    """
    played = {(_place(one), one.round): one for one in federations}
    return [row for row in rows if _never_sent(row, played.get((_place(row), row.round)))]


def refused_in(rows: Iterable[Row], federations: Iterable[FederationRow]) -> set[Tried]:
    """Each defense in each setting of which no message was sent for that reason."""
    known = [row for row in rows if row.split == "test"]
    unsent = {id(row) for row in never_sent(known, federations)}
    where = {id(row): (condition_of_row(row), row.defense) for row in known}
    return {where[one] for one in unsent} - {place for one, place in where.items() if one not in unsent}


def lost_by_refusals(played: FederationRow) -> bool:
    """Whether a round was lost as clients refused what a server that cheats sent, and for nothing else."""
    return played.manipulated and played.lost and played.refused > 0 and played.refused == played.failures


def _place(row: Row | FederationRow) -> tuple[object, ...]:
    return row.task, setting_key(row.setting), row.defense, row.seed


def _never_sent(row: Row, played: FederationRow | None) -> bool:
    if played is None or not played.manipulated:
        return False
    return lost_by_refusals(played) if row.client == AGGREGATE else (row.reason or "").startswith(REFUSED)
