"""Shadow models of an experiment: whether those that attacks train themselves fit into memory, before anything runs."""

from collections.abc import Iterable

from fedleak.contracts.attack import attacks
from fedleak.errors import ConfigError, NotApplicable
from fedleak.experiment.access import sees_model
from fedleak.learning.stacked_federations import require_room
from fedleak.settings.base import Table
from fedleak.settings.task import TaskSettings
from fedleak.tasks import task_of


def require_memory(tables: Iterable[Table], settings: TaskSettings) -> None:
    """Raises `ConfigError` where an attack on a model would train more models like it than memory has room for.

    `tables` are the attacks without their labels.
    """
    counts = {i: _shadows(table) for i, table in enumerate(tables) if sees_model(table)}
    if not any(counts.values()):
        return
    task = task_of(settings)
    for i, count in counts.items():
        try:
            require_room(task, count)
        except NotApplicable as error:
            raise ConfigError(f"attacks.{i}.shadows: {error}") from error


def _shadows(table: Table) -> int:
    """How many models of its own an attack trains: its option of that name, 0 where it has none."""
    return int(getattr(attacks.from_table(table), "shadows", 0))
