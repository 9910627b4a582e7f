"""Corpus: a text as it was read, cut into stretches that the clients, the test and the public hold."""

from collections.abc import Iterator
from dataclasses import dataclass

from fedleak.errors import DataError
from fedleak.learning.source import Part

ORDER = (Part.CLIENTS, Part.TEST, Part.CLIENTS, Part.AUXILIARY, Part.CLIENTS)
"""Who holds the stretches of a text, in turn."""
USUAL, MOST_TURNS = 1_000, 20
"""Characters of a stretch from which on each takes several turns, and how many at most."""
MOST = 2_000_000
"""Characters above which windows of them take gigabytes."""


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """A text with single spaces between words."""

    what: str
    """What it is called in sentences."""
    text: str
    length: int
    """Characters of a window."""

    @classmethod
    def of(cls, what: str, raw: str, length: int) -> "Corpus":
        """A text as it came; raises `DataError` where it is too short to share out, or too long to hold in memory."""
        text = " ".join(raw.split())
        fewest = len(ORDER) * (length + 1)
        if len(text) < fewest:
            raise DataError(
                f"{what}: expected a text of {fewest} characters or more, so that each part has more than a window of "
                f"{length}, got {len(text)}; give a longer text or a shorter data_options.length"
            )
        if len(text) > MOST:
            raise DataError(
                f"{what}: expected a text of at most {MOST:,} characters, got {len(text):,}; give a part of it"
            )
        return cls(what=what, text=text, length=length)

    def stretches(self) -> Iterator[tuple[Part, str]]:
        """All of the text, one piece after the other, with who holds it: three fifths, a fifth and a fifth in all.

        Each part has pieces from all over, since the end of a text is seldom like its beginning.
        """
        turns = min(max(len(self.text) // (USUAL * len(ORDER)), 1), MOST_TURNS)
        pieces = turns * len(ORDER)
        ends = [len(self.text) * piece // pieces for piece in range(pieces + 1)]
        for piece in range(pieces):
            yield ORDER[piece % len(ORDER)], self.text[ends[piece] : ends[piece + 1]]

    def held_by(self, part: Part) -> list[str]:
        """The pieces of one part, in order."""
        return [text for who, text in self.stretches() if who is part]
