"""Choices: settings of one kind or another, with one complaint in place of one for each."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import ValidationError, WrapValidator
from pydantic_core import PydanticCustomError

from fedleak.settings.base import Count, Table


def _whole_or_all(value: Any, handler: Callable[[Any], Any]) -> Any:
    """One complaint in place of one for each alternative."""
    try:
        return handler(value)
    except ValidationError as error:
        raise PydanticCustomError("batches", 'a whole number above 0 or "all"') from error


Batches = Annotated[Count | Literal["all"], WrapValidator(_whole_or_all)]


def _when(value: Any, handler: Callable[[Any], Any]) -> Any:
    """One complaint in place of one for each alternative."""
    try:
        return handler(tuple(value) if isinstance(value, list) else value)
    except ValidationError as error:
        raise PydanticCustomError("release", '"last", "every" or a list of rounds such as [10, 20]') from error


def _name_or_table(value: Any, handler: Callable[[Any], Any]) -> Any:
    if not isinstance(value, str) and not (isinstance(value, dict) and isinstance(value.get("name"), str)):
        raise PydanticCustomError("transform", "the name of a transform, or a table with its name and options")
    return handler(value)


Releases = Annotated[Literal["last", "every"] | tuple[Count, ...], WrapValidator(_when)]

Transform = Annotated[str | Table, WrapValidator(_name_or_table)]


def as_table(transform: str | Table) -> Table:
    """A transform as a table, whichever it was written as."""
    return {"name": transform} if isinstance(transform, str) else transform
