"""Refusals: messages that were never sent, as clients refused what a server that cheats sent them."""

from collections.abc import Iterable, Sequence

from fedleak.formatting import counted
from fedleak.results.federation_row import FederationRow
from fedleak.results.row import Row
from fedleak.results.schema import AGGREGATE, setting_key

REFUSED = "ModelRefused:"
"""How the reason of a client begins whose checks refused the model."""


def nothing_left(rows: Sequence[Row], federations: Iterable[FederationRow]) -> str:
    """Why there was nothing to attack in any of these messages, as a clause; empty where there may have been.

    A client's message was refused by itself; a sum was lost in a round that clients left because they refused the
    model, and none for another reason. Where the server did no more than average, and where others left a round, it is
    a round without a figure as any other.
    """
    played = {(_place(one), one.round): one for one in federations}
    if not rows or not all(_never_sent(row, played.get((_place(row), row.round))) for row in rows):
        return ""
    rounds = counted(len({(row.seed, row.round) for row in rows}), "round")
    return f"clients refused what the server sent, and nothing was left to attack in {rounds}: {rows[0].reason}"


def _place(row: Row | FederationRow) -> tuple[object, ...]:
    return row.task, setting_key(row.setting), row.defense, row.seed


def _never_sent(row: Row, played: FederationRow | None) -> bool:
    if played is None or not played.manipulated:
        return False
    if row.client == AGGREGATE:
        return played.lost and played.refused > 0 and played.refused == played.failures
    return (row.reason or "").startswith(REFUSED)
