"""Dropouts that an experiment asks for: which clients leave which rounds, and at which stage."""

from math import floor
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationError, WrapValidator
from pydantic_core import PydanticCustomError

from fedleak.errors import ConfigError
from fedleak.settings.base import Count, Settings, Share

Stage = Literal["advertise", "share", "masked", "confirm", "unmask"]
"""Of a round of secure aggregation; see `fedleak.secure_aggregation.messages`."""
STAGES: tuple[Stage, ...] = get_args(Stage)


class Leaving(Settings):
    """One client that leaves."""

    client: Annotated[int, Field(ge=0)]
    round: Count | None = None
    """None: every round."""
    stage: Stage = "masked"
    """The first that it does not answer. Without secure aggregation, where training is all that there is, it sends no
    update but where it leaves after `masked`."""


def _share_or_list(value: Any, handler: Any) -> Any:
    """One complaint in place of one for each alternative."""
    try:
        return handler(value)
    except ValidationError as error:
        tables = "tables of a client, a round and a stage"
        listed = isinstance(value, list | tuple)
        wanted = f"{tables} ({', '.join(STAGES)})" if listed else f"a share from 0 to 1, or a list of {tables}"
        raise PydanticCustomError("dropouts", wanted) from error


Dropouts = Annotated[Share | Annotated[tuple[Leaving, ...], Field(strict=False)], WrapValidator(_share_or_list)]


def require_somebody(dropouts: float | tuple[Leaving, ...], clients: int, rounds: int) -> None:
    """Raises `ConfigError` for dropouts that name nobody."""
    if isinstance(dropouts, float | int):
        if dropouts and not so_many(dropouts, clients):
            raise ConfigError(
                f"federation.dropouts: {dropouts:g} of {clients} clients is nobody; give {0.5 / clients:.2g} or more, "
                "or 0 for none"
            )
        return
    if not dropouts:
        raise ConfigError("federation.dropouts: expected a share, or tables of who leaves when, got an empty list")
    for place, one in enumerate(dropouts):
        if one.client >= clients or (one.round or 1) > rounds:
            what = f"client {one.client}" if one.client >= clients else f"round {one.round}"
            there = f"{clients} clients, from 0" if one.client >= clients else f"{rounds} rounds, from 1"
            raise ConfigError(f"federation.dropouts.{place}: there is no {what}; the federation has {there}")


def most_leaving(dropouts: float | tuple[Leaving, ...], clients: int) -> int:
    """How many clients leave one round at most."""
    return so_many(dropouts, clients) if isinstance(dropouts, float | int) else len({one.client for one in dropouts})


def so_many(share: float, clients: int) -> int:
    """A share of the clients as a number, the nearest."""
    return floor(share * clients + 0.5)
