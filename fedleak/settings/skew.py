"""Skew: which share of what clients train on has a property."""

from typing import Annotated

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from fedleak.settings.base import GOT, Settings, Share

A_PROPERTY = 'a property such as "sex=Female" or "label=3"'


def is_property(text: str) -> bool:
    """Whether it is `COLUMN=CATEGORY` or `label=CLASS`."""
    name, equals, value = text.partition("=")
    return bool(name and equals and value)


class Skew(Settings):
    """`skew = { property = "sex=Female", share = 0.3 }`."""

    property: str = ""
    """`COLUMN=CATEGORY` of a table, or `label=CLASS` of any data; empty: no skew."""
    share: Share = 0.5
    """Of all clients' examples together; the examples that would make it another are left out."""
    shares: Annotated[tuple[Share, ...], Field(strict=False)] = ()
    """In place of it several, which seeds take in turn: so all of them are in one figure, and a guess that is always
    the same is right as often as chance is."""

    @model_validator(mode="after")
    def _of_something(self) -> "Skew":
        if self.property and not is_property(self.property):
            raise PydanticCustomError("property", A_PROPERTY)
        if self.shares and (len(set(self.shares)) < max(2, len(self.shares)) or not self.property):
            wanted = "two shares of a property or more that seeds take in turn, each once, as in shares = [0.3, 0.6]"
            raise PydanticCustomError("shares", wanted, {GOT: list(self.shares)})
        return self

    def of_seed(self, seed: int) -> float:
        """The share in the federation of a seed."""
        return self.shares[seed % len(self.shares)] if self.shares else self.share
