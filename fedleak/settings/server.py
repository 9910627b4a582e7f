"""Server settings: what whoever runs the server does beside averaging."""

from typing import Annotated, Any

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from fedleak.errors import ConfigError, echo
from fedleak.settings.base import A_NAME, GOT, Count, Name, Settings, Table, is_name

HONEST = "honest"
"""The name of every server without a chain, and of no other: rows of results say by it who was honest."""
ROWS, ROW = "servers", "server"
"""The rows of a file, and one of them in the settings of a federation."""


class ServerSettings(Settings):
    """A row of the comparison: a name, and the manipulations that it stands for."""

    name: Name = HONEST
    chain: Annotated[tuple[Table, ...], Field(strict=False)] = ()
    """Manipulations in order: `{use = NAME, ...}` with their options. None: the server is curious, and averages."""
    begins: Count = 1
    """The first round in which crafted weights are sent; the network that is shipped is changed from the start."""

    @property
    def honest(self) -> bool:
        """Whether it does nothing beside averaging."""
        return not self.chain

    @model_validator(mode="after")
    def _named_for_what_it_is(self) -> "ServerSettings":
        said = self.name.casefold().partition(" ")[0] == HONEST
        if self.chain and said:
            wanted = f'a name for what its chain does, as "{HONEST}" is a server without one'
            raise PydanticCustomError("server", wanted, {GOT: self.name})
        if not self.chain and self.name != HONEST:
            wanted = f'the name "{HONEST}" for a server without a chain, or manipulations in its chain'
            raise PydanticCustomError("server", wanted, {GOT: self.name})
        return self


def rows_of(tree: Table) -> list[Any] | None:
    """The rows `[[servers]]` of a file, each with a name of its own; None where it has none."""
    rows = tree.get(ROWS)
    if rows is None:
        return None
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise ConfigError(f'{ROWS}: expected tables such as [[servers]] with a name, as in name = "{HONEST}"')
    if ROW in tree:
        raise ConfigError(f"{ROW}: expected it once, got {ROWS} beside it; put it among these")
    for i, row in enumerate(rows):
        if not is_name(row.get("name")):
            raise ConfigError(f"{ROWS}.{i}.name: expected {A_NAME}, got {echo(row.get('name'))}")
    names = [row["name"] for row in rows]
    if len(set(names)) < len(names):
        raise ConfigError(f"{ROWS}: each needs a name of its own, got {', '.join(names)}")
    return rows
