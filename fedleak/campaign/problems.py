"""What went wrong on the way; of what comes for one reason again and again only the first few are told."""

from collections.abc import Iterator
from dataclasses import dataclass, field

TOLD = 10
"""Problems of a kind that are told one by one; ten thousand cells may fail for one reason."""


@dataclass
class Kind:
    """Problems with one reason."""

    sentences: list[str] = field(default_factory=list)
    more: int = 0


@dataclass
class Problems:
    """Problems by kind, in the order they came up."""

    exit_status: int = 0
    """0 where there is none; 2 where the user can mend one; else 1."""
    by_kind: dict[tuple[object, ...], Kind] = field(default_factory=dict)

    def add(self, sentence: str, kind: tuple[object, ...], exit_status: int) -> bool:
        """Enters one; whether it should be told."""
        self.exit_status = max(self.exit_status, exit_status)
        own = self.by_kind.setdefault(kind, Kind())
        if len(own.sentences) < TOLD:
            own.sentences.append(sentence)
            return True
        own.more += 1
        return False

    def __iter__(self) -> Iterator[str]:
        for kind in self.by_kind.values():
            yield from kind.sentences
            if kind.more:
                yield f"and {kind.more} more like the last"
