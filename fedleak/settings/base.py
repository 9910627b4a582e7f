"""Settings: tables of an experiment file as frozen types, each mistake one sentence."""

import json
import re
from typing import Annotated, Any, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from fedleak.errors import ConfigError, did_you_mean, echo

Count = Annotated[int, Field(ge=1)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Table = dict[str, Any]
A_NAME = "a name of letters, digits, spaces and . _ + = -"
GOT = "got"
"""In the context of an error on a whole table: the value in it that is wrong, which is shown alone."""
TABLE_WANTED = ("model_type", "dict_type")
"""What pydantic says where a table is wanted."""
Scalar = bool | int | float | str


def is_name(value: Any) -> bool:
    """Whether a value can name rows and folders."""
    return isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+= -]*", value) is not None


def _checked_name(value: str) -> str:
    if not is_name(value):
        raise PydanticCustomError("name", A_NAME)
    return value


Name = Annotated[str, AfterValidator(_checked_name)]


class Settings(BaseModel):
    """A table of the experiment file: unknown keys and wrong types are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


SettingsT = TypeVar("SettingsT", bound=Settings)


def parse_settings(model: type[SettingsT], tree: Any, where: str = "") -> SettingsT:
    """Settings from plain data; raises `ConfigError` with the place (below `where`), what was expected, what came."""
    try:
        return model.model_validate_json(json.dumps(tree))
    except ValidationError as error:
        raise ConfigError(_sentence(model, error, where)) from error
    except (TypeError, ValueError) as error:  # a date, or a number of thousands of digits
        raise ConfigError(f"{error}; use strings, numbers, booleans, lists and tables") from error


def dotted(*parts: object) -> str:
    """A place in a file as it is written there; a part that is no plain word stands in quotes."""
    words = [str(part) for part in parts]
    return ".".join(word if re.fullmatch(r"[\w-]{1,80}", word) else echo(word) for word in words)


def _sentence(model: type[BaseModel], error: ValidationError, where: str) -> str:
    # A typo leaves a needed field missing too; the unknown one tells more.
    first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    path = [str(part) for part in first["loc"]]
    place = ".".join(filter(None, [where, dotted(*path)]))
    prefix = f"{place}: " if place else ""
    if first["type"] == "extra_forbidden":
        return f"{prefix}unknown field{did_you_mean(path[-1], _fields_at(model, path[:-1]))}"
    if first["type"] == "missing":
        return f"{prefix}missing, and needed"
    if first["type"] == "json_invalid":
        return f"{prefix}expected tables and lists of a few levels, got some that are nested too deeply"
    wanted = "a table" if first["type"] in TABLE_WANTED else first["msg"].removeprefix("Input should be ")
    return f"{prefix}expected {wanted}, got {echo(first.get('ctx', {}).get(GOT, first['input']))}"


def _fields_at(model: type[BaseModel], path: list[str]) -> list[str]:
    """The names that are allowed where `path` leads (numbers in it are places in a list)."""
    names = [part for part in path if not part.isdigit()]
    for name in names:
        annotation = model.model_fields[name].annotation
        candidates = [annotation, *get_args(annotation)]
        model = next(kind for kind in candidates if isinstance(kind, type) and issubclass(kind, BaseModel))
    return [field.alias or name for name, field in model.model_fields.items()]
