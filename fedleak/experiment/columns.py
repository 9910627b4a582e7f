"""Columns: refuses what an experiment asks of clients that hold columns and does not fit them."""

from collections.abc import Mapping, Sequence

from fedleak.contracts.chain import Chain
from fedleak.contracts.cut import require_place
from fedleak.errors import ConfigError
from fedleak.settings.base import Table
from fedleak.settings.columns import require_nothing_averaged
from fedleak.settings.federation import PlanSettings
from fedleak.tasks import hardened


def require_no_strategy(tree: Table) -> None:
    """Raises `ConfigError` where a file names a strategy beside columns, be it the usual one; in a grid of both it may.

    What is not text the parser complains of.
    """
    federation = tree.get("federation")
    if not isinstance(federation, dict) or federation.get("partition") != "columns":
        return
    if isinstance(named := federation.get("strategy"), str):
        require_nothing_averaged(named)


def require_columns(settings: PlanSettings, tables: Sequence[Table], chains: Mapping[str, Chain]) -> None:
    """Raises `ConfigError` for columns or a cut that do not fit, and for attacks and defenses that have no place there.

    Also for defenses at a cut where there is none. `tables` are the attacks without their labels.
    """
    for i, chain in enumerate(chains.values()):
        try:
            require_place(chain.defenses, columns=settings.federation.split is not None)
        except ConfigError as error:
            raise ConfigError(f"defenses.{i}.chain: {error}") from error
    if settings.federation.split is None:
        return
    hardened(settings.task, Chain(), settings.federation.split)
    for i, table in enumerate(tables):
        raise ConfigError(
            f"attacks.{i}: {table['use']} looks at what clients with rows of their own send or train, and these hold "
            'columns (federation.partition = "columns"); leave it out'
        )
