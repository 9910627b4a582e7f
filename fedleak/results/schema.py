"""Schema of the rows of a run: the type of a field says how a file is checked and which Arrow column it becomes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite, nan
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, Strict, TypeAdapter, ValidationError

from fedleak.errors import echo
from fedleak.settings.base import Scalar

MODEL: Literal["model"] = "model"
AnyRow = TypeVar("AnyRow")
AGGREGATE: Literal["aggregate"] = "aggregate"
ACTIVE: Literal["active"] = "active"
RELAY: Literal["relay"] = "relay"
LARGEST = 2**63
"""Whole numbers beyond this are no seed, round or count of ours."""


@dataclass(frozen=True)
class Meaning:
    """What a field holds, for whoever opens the table; as `Annotated[Figure, Meaning("...")]`."""

    text: str


def _folder(name: str) -> str:
    """A name that leads out of the run is refused: files are read from where it points."""
    if name in (".", "..") or "/" in name or "\0" in name:
        raise ValueError("the plain name of a folder")
    return name


def _null_is_nan(value: Any) -> Any:
    return nan if value is None else value


Text = Annotated[str, Strict()]
Flag = Annotated[bool, Strict()]
Whole = Annotated[int, Strict(), Field(ge=-LARGEST, lt=LARGEST)]
Figure = Annotated[float, Strict(), BeforeValidator(_null_is_nan)]
"""NaN where there is none: null in the file and in tables."""
Figures = tuple[Figure, ...]
Folder = Annotated[Text, AfterValidator(_folder)]
SettingTable = Mapping[str, Scalar]
"""What varies in a campaign, by dotted key, as in `{"federation.batch_size": 4}`."""
Setting = tuple[tuple[str, Scalar], ...]
"""The same as a key, sorted."""
Who = Whole | Literal["aggregate", "model", "active", "relay"]
"""A client's number, the sum that secure aggregation revealed, or the model that left the federation.

Of split training who kept a diary: a passive party's number, the active party, the server that relays."""
Split = Literal["test", "tuning", "calibration"]
"""Tuning rows choose among the variants of an attack, calibration rows set thresholds; only test rows are reported."""


def setting_key(setting: Mapping[str, Scalar]) -> Setting:
    """The same for settings that are equal, whatever the order they were written in."""
    return tuple(sorted(setting.items()))


def figure(value: float | None) -> float:
    """NaN for null, which stands for a figure that is not finite in JSON."""
    return nan if value is None else float(value)


def finite_or_null(value: Any) -> Any:
    """Plain data with null for figures that are not finite, which JSON has no word for."""
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, tuple | list):
        return [finite_or_null(item) for item in value]
    return value


def parser_of(row: type[AnyRow]) -> Callable[[Mapping[str, Any]], AnyRow]:
    """Makes rows from plain data; raises `TypeError` with one clause for the first field that is not as it should be.

    What is not a field is passed over, so that rows of a later version can be read.
    """
    adapter = TypeAdapter(row)

    def parse(facts: Mapping[str, Any]) -> AnyRow:
        try:
            return adapter.validate_python(facts)
        except ValidationError as error:
            raise TypeError(_complaint(error)) from error

    return parse


def _complaint(error: ValidationError) -> str:
    """What is wrong with the first field; a field of several types names them all."""
    errors = error.errors(include_url=False)
    first = errors[0]
    if first["type"] == "missing":
        return f"{first['loc'][0]} is missing"
    same = [one for one in errors if one["loc"][0] == first["loc"][0] and one["input"] is first["input"]]
    place = first["loc"] if len(same) == 1 else first["loc"][:-1]
    wanted = (one["msg"].removeprefix("Input should be ").removeprefix("Value error, ") for one in same)
    return f"{'.'.join(map(str, place))}: expected {' or '.join(wanted)}, got {echo(first['input'])}"
