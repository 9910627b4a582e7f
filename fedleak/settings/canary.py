"""Canary: a secret of a public format that a client is made to type into its text."""

from typing import Annotated

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from fedleak.learning.secret_format import BLANK, MOST_DIGITS
from fedleak.settings.base import GOT, Count, Settings

WANTED = 'a format with one secret place, as in "my pin is {digits}"'


class Canary(Settings):
    """`canary = { format = "my pin is {digits}", digits = 4, times = 16, client = 0 }`."""

    format: str = ""
    """What is typed, with `{digits}` where the secret stands; everybody knows it. Empty: no canary."""
    digits: Annotated[int, Field(ge=1, le=MOST_DIGITS)] = 4
    """Of the secret, which the seed draws."""
    times: Count = 1
    """How often it is typed, at places that the seed draws."""
    client: Annotated[int, Field(ge=0)] = 0
    """Whose text it is typed into."""

    @model_validator(mode="after")
    def _with_a_secret(self) -> "Canary":
        nothing_said = not self.format and (self.digits, self.times, self.client) == (4, 1, 0)
        if self.format.count(BLANK) != 1 and not nothing_said:
            raise PydanticCustomError("format", WANTED, {GOT: self.format})
        return self

    def require_typist(self, clients: int) -> None:
        """Refuses a canary of a client that there is not among so many."""
        if self.format and self.client >= clients:
            wanted = f"a canary of one of the {clients} clients, 0 to {clients - 1}"
            raise PydanticCustomError("canary", wanted, {GOT: self.client})
