"""Columns: who holds which, and where the network is cut, where clients hold columns of all examples."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, WrapValidator, model_validator
from pydantic_core import PydanticCustomError

from fedleak.errors import ConfigError, echo
from fedleak.settings.adversary import OF_CUTS
from fedleak.settings.base import GOT, Count, Settings, Table

NO_STRATEGY = "none"
"""In the place of a strategy, where nothing is averaged."""
Own = Annotated[tuple[int | str, ...], Field(strict=False)]


def _either(wanted: str) -> WrapValidator:
    """One complaint in place of one for each alternative."""

    def validated(value: Any, handler: Any) -> Any:
        try:
            return handler(value)
        except ValidationError as error:
            raise PydanticCustomError("either", wanted) from error

    return WrapValidator(validated)


Columns = Annotated[
    Literal["strips", "halves"] | Annotated[tuple[Own, ...], Field(strict=False)],
    _either('"strips", "halves", or for each client a list of the columns that it holds'),
]
Cut = Annotated[Count | str | None, _either("a number of layers from 1 on, or the name of a layer")]


class Split(Settings):
    """A network that is cut among parties, each with columns of its own: vertical learning."""

    parties: int
    columns: Columns = "strips"
    cut: Cut = None


class Columned(Settings):
    """Whether clients hold examples or columns, and what follows from columns."""

    partition: Literal["rows", "columns"] = "rows"
    """Whether clients hold examples of their own, or columns of all examples; client 0 then has the labels too."""
    columns: Columns = "strips"
    """Of images columns of pixels by number, of a table by name. "strips": as many for each client, in their order;
    "halves": the same for two."""
    cut: Cut = None
    """How many layers each client has below the cut, or the last of them by name; None: all but the last layer."""

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_averaged(cls, values: Any) -> Any:
        """Also where the usual strategy is named, as the run config of `flwr run` and a grid over partitions do."""
        if not (isinstance(values, dict) and values.get("partition") == "columns"):
            return values
        usual = cls.model_fields["strategy"].default
        return {**values, "strategy": NO_STRATEGY} if values.get("strategy", usual) == usual else values

    @model_validator(mode="after")
    def _columns_of_parties(self) -> "Columned":
        changed = {"columns": self.columns, "cut": self.cut} if self.partition == "rows" else {}
        for name, value in changed.items():
            if value != type(self).model_fields[name].default:
                wanted = f'partition = "columns" beside {name}, which says how they are shared out'
                raise PydanticCustomError("partition", wanted, {GOT: self.partition})
        return self


def without_no_strategy(tree: Table) -> Table:
    """Plain settings without the strategy that follows from columns: another value beside them may be of rows."""
    federation = tree.get("federation")
    if not isinstance(federation, dict) or federation.get("strategy") != NO_STRATEGY:
        return tree
    return {**tree, "federation": {name: value for name, value in federation.items() if name != "strategy"}}


def require_nothing_averaged(strategy: str) -> None:
    """Raises `ConfigError` for a strategy beside columns."""
    if strategy != NO_STRATEGY:
        raise ConfigError(
            f'federation.strategy: expected none beside partition = "columns", where nothing is averaged, got '
            f"{strategy}; leave it out"
        )


WITHOUT: Mapping[str, tuple[str, ...]] = {
    "federation": (
        *("partitioner", "partitioner_options", "skew", "canary", "planted", "strategy_options"),
        *("gradient_clipping", "accumulation", "augmentation", "proximal", "fraction_evaluate"),
    ),
    "model": ("checkpoint", "trained_examples"),
    "adversary": ("victims",),
}
"""Settings, by their table, that say something of clients which train a whole network on examples of their own."""


def require_rows_alone(adversary: Settings) -> None:
    """Raises `ConfigError` for what says something of split training alone, where clients hold rows."""
    for name in OF_CUTS:
        value, default = getattr(adversary, name), type(adversary).model_fields[name].default
        if value != default:
            raise ConfigError(
                f'adversary.{name}: expected none beside federation.partition = "rows", where no network is cut, got '
                f"{echo(value)}; leave it out"
            )


def require_columns_alone(strategy: str, tables: Mapping[str, Settings]) -> None:
    """Raises `ConfigError` for what makes no sense, or is not there, where clients hold columns."""
    require_nothing_averaged(strategy)
    for place, names in WITHOUT.items():
        for name in names:
            value, default = getattr(tables[place], name), type(tables[place]).model_fields[name].default
            if value != default:
                raise ConfigError(
                    f'{place}.{name}: expected none beside federation.partition = "columns", got {echo(value)}; leave '
                    "it out"
                )
