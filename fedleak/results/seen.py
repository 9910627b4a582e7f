"""What clients' checks saw in a round, as the text of a column: a line for each check."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

LINE = re.compile(r"(?P<check>[a-z0-9-]+) at (?P<clients>\d+) clients?: (?P<words>.+)")


@dataclass(frozen=True)
class Seen:
    """What one check saw in a round."""

    check: str
    """Name of the defense."""
    clients: int
    """How many raised an alarm by it."""
    words: str
    """The first client's, with the figures."""

    @property
    def line(self) -> str:
        clients = f"{self.clients} client{'s' * (self.clients != 1)}"
        return f"{self.check} at {clients}: {' '.join(self.words.split())}"


def seen_text(seen: Iterable[Seen]) -> str:
    """The column of a round; empty where nothing was seen."""
    return "\n".join(one.line for one in seen)


def seen_in(text: str) -> Iterator[Seen]:
    """What a column says; lines that say nothing of the kind are passed over."""
    for line in text.splitlines():
        if found := LINE.fullmatch(line):
            yield Seen(found["check"], int(found["clients"]), found["words"])
