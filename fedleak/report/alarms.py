"""Alarms in the report: which check saw what in the models that clients were sent, and from which round on."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fedleak.analysis.conditions import condition_of_row
from fedleak.formatting import counted
from fedleak.results.federation_row import FederationRow
from fedleak.results.seen import Seen, seen_in


@dataclass(frozen=True, kw_only=True)
class Alarms:
    """What one check saw under one defense in one setting, over all its seeds."""

    where: str
    defense: str
    """The row of the experiment that the check is in."""
    check: str
    clients: int
    """The most that raised an alarm in a round."""
    first: int
    """The earliest round with one."""
    raised: int
    """Rounds with one."""
    rounds: int
    """All rounds."""
    words: str
    """What was seen first."""

    @property
    def sentence(self) -> str:
        clients, rounds = counted(self.clients, "client"), counted(self.rounds, "round")
        return (
            f"{self.check} under “{self.defense}” ({self.where}): {clients} from round {self.first} on, in "
            f"{self.raised} of {rounds}: {self.words}."
        )


def alarms(federations: Iterable[FederationRow]) -> Iterator[Alarms]:
    """For each setting, defense and check that raised an alarm, what it saw."""
    rounds: dict[tuple[str, str], list[FederationRow]] = {}
    for row in federations:
        if row.split == "test":
            rounds.setdefault((condition_of_row(row).words, row.defense), []).append(row)
    for (where, defense), rows in rounds.items():
        found: dict[str, list[tuple[int, Seen]]] = {}
        for row in sorted(rows, key=lambda one: one.round):
            for seen in seen_in(row.seen):
                found.setdefault(seen.check, []).append((row.round, seen))
        for check, raised in found.items():
            yield Alarms(
                where=where,
                defense=defense,
                check=check,
                clients=max(seen.clients for _, seen in raised),
                first=raised[0][0],
                raised=len(raised),
                rounds=len(rows),
                words=raised[0][1].words,
            )
