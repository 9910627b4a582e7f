"""Hidden columns: refuses such as there are not, and an experiment in which nobody guesses at them."""

from collections.abc import Iterable, Sequence

from fedleak.contracts.attack import attacks
from fedleak.contracts.splitting import columns_of_others
from fedleak.errors import ConfigError
from fedleak.experiment.access import cut_attack_of, sees_model, targets_of
from fedleak.formatting import listed
from fedleak.learning.source import Source
from fedleak.learning.space import InputSpace, require_table, space_of_source
from fedleak.learning.table import Column
from fedleak.learning.table import Table as Rows
from fedleak.settings.adversary import AdversarySettings
from fedleak.settings.base import Table
from fedleak.settings.federation import PlanSettings
from fedleak.settings.task import TaskSettings
from fedleak.tasks import source_of


def require_hidden(adversary: AdversarySettings, tables: Iterable[Table], source: Source) -> None:
    """Raises `ConfigError` for hidden columns that there are not, or twice, and where nobody guesses, or nothing.

    `tables` are the attacks without their labels.
    """
    tables = list(tables)
    hidden, asked = adversary.hidden, [(str(one["use"]), targets_of(one)) for one in tables]
    for i, (name, targets) in enumerate(asked):
        if not hidden and targets == {"columns"} and cut_attack_of(tables[i]) is None:
            raise ConfigError(
                f"attacks.{i}: {name} guesses hidden columns, and none is hidden; set adversary.hidden, as in "
                'hidden = ["sex"]'
            )
    require_columns(hidden, space_of_source(source))
    if hidden and asked and not any("columns" in targets for _, targets in asked):
        fitting = [cls.name for cls in attacks if cls.__module__.startswith("fedleak.attacks.attributes.")]
        raise ConfigError(
            f"adversary.hidden: {listed(hidden)}, and no attack here guesses hidden columns; add one such as "
            f"{listed(fitting, 'or')}, or leave hidden out"
        )


def hidden_columns(adversary: AdversarySettings, task: TaskSettings) -> tuple[Column, ...]:
    """The columns that are hidden, as far as there are such: `require_hidden` refuses others."""
    if not adversary.hidden:
        return ()
    space = space_of_source(source_of(task))
    return tuple(one for one in (space.columns if isinstance(space, Rows) else ()) if one.name in adversary.hidden)


def require_columns(hidden: tuple[str, ...], space: InputSpace, where: str = "adversary.hidden") -> None:
    """Raises `ConfigError` for columns that a table has not, or twice, and where there is no table."""
    if not hidden:
        return
    table = require_table(space, where, ConfigError)
    try:
        table.mask(hidden)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error
    if len(set(hidden)) < len(hidden):
        raise ConfigError(f"{where}: expected each column once, got {list(hidden)}")


def require_weights(settings: PlanSettings, tables: Sequence[Table]) -> None:
    """Raises `ConfigError` for an attack that has answers and weights, where no weights leave the federation."""
    for i, table in enumerate(tables):
        if "weights" in attacks.from_table(table).requires and not settings.federation.releases:
            raise ConfigError(
                f"attacks.{i}: {table['use']} has the weights behind the answers, and none leave this federation; set "
                'federation.release, as in release = "last"'
            )


def adversary_of(settings: PlanSettings, tables: Sequence[Table]) -> AdversarySettings:
    """The adversary; an attack on a joint network that guesses hidden columns, none of which is named, is the active
    party's, and hidden are the columns of a table that it does not hold. `tables` are the attacks without labels.
    """
    split, asked = settings.federation.split, [one for one in tables if "columns" in targets_of(one)]
    if split is None or settings.adversary.hidden or not any(map(sees_model, asked)):
        return settings.adversary
    hidden = columns_of_others(space_of_source(source_of(settings.task)), split)
    return settings.adversary.model_copy(update={"hidden": hidden})
