"""Skew: which share of what clients train on has a property."""

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from fedleak.settings.base import Settings, Share


class Skew(Settings):
    """`skew = { property = "sex=Female", share = 0.3 }`."""

    property: str = ""
    """`COLUMN=CATEGORY` of a table, or `label=CLASS` of any data; empty: no skew."""
    share: Share = 0.5
    """Of all clients' examples together; the examples that would make it another are left out."""

    @model_validator(mode="after")
    def _of_something(self) -> "Skew":
        name, equals, value = self.property.partition("=")
        if self.property and not (name and equals and value):
            raise PydanticCustomError("property", 'a property such as "sex=Female" or "label=3"')
        return self
