"""Classes of other libraries: built from a table of options, each checked against the constructor's signature."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import ConfigDict, PydanticSchemaGenerationError, TypeAdapter, ValidationError

from fedleak.contracts.plugin import explain
from fedleak.errors import ConfigError, did_you_mean
from fedleak.settings.base import Table

Foreign = TypeVar("Foreign")
Read = Callable[[Any, Any, str], Any]
"""Makes an option of what stands in a file, by the annotation of its parameter and its place."""
_ARBITRARY = ConfigDict(arbitrary_types_allowed=True)


def parameters_of(cls: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """What its constructor takes, by name."""
    return dict(inspect.signature(cls).parameters)


def read_option(value: Any, annotation: Any, place: str) -> Any:
    """An option of a plain type; raises `ConfigError` for another type, and for one that no file can hold."""
    try:
        return TypeAdapter(annotation, config=_ARBITRARY).validate_python(value, strict=True)
    except (ValidationError, PydanticSchemaGenerationError) as error:
        reason = explain(error) if isinstance(error, ValidationError) else "this option cannot be given in a file"
        raise ConfigError(f"{place}: {reason}") from error


def arguments_for(
    cls: Callable[..., Any], options: Table, ours: Mapping[str, Any], place: str, read: Read = read_option
) -> dict[str, Any]:
    """The arguments of a constructor: `ours` where it has such parameters, and over them the options of a file.

    Raises `ConfigError` for an option that there is not, of another type, or that is missing.
    """
    parameters = parameters_of(cls)
    takes_any = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    values = {key: value for key, value in ours.items() if key in parameters}
    for key, value in options.items():
        if key not in parameters and takes_any:
            values[key] = value
            continue
        if key not in parameters:
            raise ConfigError(f"{place}.{key}: unknown option of {_name_of(cls)}{did_you_mean(key, parameters)}")
        values[key] = read(value, parameters[key].annotation, f"{place}.{key}")
    return values


def _name_of(cls: Callable[..., Any]) -> str:
    return getattr(cls, "__name__", type(cls).__name__)


def built(cls: type[Foreign], values: Mapping[str, Any], place: str) -> Foreign:
    """An instance; raises `ConfigError` where an argument is missing, or is refused."""
    missing = [key for key, it in parameters_of(cls).items() if it.default is it.empty and key not in values]
    if missing:
        raise ConfigError(f"{place}: {cls.__name__} needs {', '.join(missing)}")
    try:
        return cls(**values)
    except ValueError as error:
        raise ConfigError(f"{place}: {cls.__name__} refuses its options: {error}") from error
