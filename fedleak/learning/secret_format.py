"""Secret format: what everybody knows of a secret in a text, and so all that it may be."""

from dataclasses import dataclass, replace

BLANK = "{digits}"
"""Where the secret stands in a format that is written down."""
MASKED = "?"
"""A digit that is not known."""
MOST_DIGITS = 6
"""Of a secret: all that it may be is ranked."""


@dataclass(frozen=True)
class SecretFormat:
    """The text around a secret, how many digits it has, and which of them are known.

    Its candidates are all secrets that agree with what is known, in ascending order.
    """

    before: str
    after: str
    known: str
    """A character for each place of the secret: the digit, or `MASKED`."""

    @classmethod
    def of(cls, written: str, digits: int) -> "SecretFormat":
        """Of a format with `BLANK` in the place of so many digits, none of them known."""
        before, _, after = written.partition(BLANK)
        return cls(before, after, MASKED * digits)

    @property
    def digits(self) -> int:
        """Of the secret, the known ones too."""
        return len(self.known)

    @property
    def candidates(self) -> int:
        """How many secrets there may be."""
        return int(10 ** self.known.count(MASKED))

    @property
    def words(self) -> str:
        """`my pin is 12?4`."""
        return self.typed(self.known)

    def masking(self, secret: str, places: tuple[int, ...]) -> "SecretFormat":
        """The same for somebody who knows the digits of a secret but for those at some places; none: but for all."""
        known = (MASKED if not places or place in places else digit for place, digit in enumerate(secret))
        return replace(self, known="".join(known))

    def typed(self, secret: str) -> str:
        """The text with a secret in its place."""
        return f"{self.before}{secret}{self.after}"

    def candidate(self, place: int) -> str:
        """The secret at a place in the order of candidates."""
        unknown = iter(f"{place:0{max(self.known.count(MASKED), 1)}d}")
        return "".join(next(unknown) if known == MASKED else known for known in self.known)

    def place(self, secret: str) -> int:
        """The place of a secret, which agrees with what is known, in that order."""
        unknown = [digit for digit, known in zip(secret, self.known, strict=True) if known == MASKED]
        return int("".join(unknown) or "0")
