"""Trial of detection: an experiment whose checks report and refuse nothing, so that servers can be seen to the end."""

import copy

from fedleak.errors import ConfigError
from fedleak.experiment.calibration import is_check
from fedleak.settings.base import Table
from fedleak.settings.server import ROWS


def reporting(tree: Table) -> Table:
    """The file with every check on `on_alarm = "report"`; raises `ConfigError` where it has no check or no server."""
    tree = copy.deepcopy(tree)
    tables = [tree, *(one for one in _tables(tree.get("vary")))]
    checks = [
        check
        for table in tables
        for row in _tables(table.get("defenses"))
        for check in _tables(row.get("chain"))
        if is_check(check)
    ]
    if not checks:
        raise ConfigError(
            'defenses: expected a check of the received model to try, as in chain = [{ use = "weight-watch" }], got '
            "none; fedleak list defenses says which there are"
        )
    servers = [row for table in tables for row in _tables(table.get(ROWS))]
    if not any(row.get("chain") for row in servers) or all(row.get("chain") for row in servers):
        raise ConfigError(
            f"{ROWS}: expected a row that is honest and one that manipulates, to tell them apart, got "
            f"{', '.join(str(row.get('name')) for row in servers) or 'none'}"
        )
    for check in checks:
        check["on_alarm"] = "report"
    return tree


def _tables(value: object) -> list[Table]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
