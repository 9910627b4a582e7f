"""Subject: whose examples an attack guesses at, where these are not all that are behind what it sees."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Some of the examples behind a sum, told by what the server did. Public: no attack chooses it by its guess."""

    client: int | None = None
    """Those of one client alone; None: of all."""
    label: int | None = None
    """Those of one class alone; None: of all."""
    counted: bool = True
    """Whether the attack knows how many they are; else it may guess at more than there are."""
