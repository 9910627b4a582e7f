"""Rows of servers: `[[servers]]` of a file as the values of one axis."""

from typing import Any

from fedleak.contracts.manipulated import built
from fedleak.contracts.manipulation import manipulations
from fedleak.experiment import axes
from fedleak.settings.base import Table, parse_settings
from fedleak.settings.server import ROW, ROWS, ServerSettings, rows_of


def with_rows_of_servers(tree: Table) -> Table:
    """The file with its rows `[[servers]]`, and those of its combinations, as values of one axis."""
    vary = tree.get("vary")
    if isinstance(vary, list):
        tree = {**tree, "vary": [_with_axis(one) if isinstance(one, dict) else one for one in vary]}
    return _with_axis(tree)


def _with_axis(tree: Table) -> Table:
    """One row for each variant of the options in it."""
    rows = rows_of(tree)
    if rows is None:
        return tree
    found = [
        axis
        for i, row in enumerate(rows)
        for j, table in enumerate(axes.tables_in(row.get("chain")))
        for axis in axes.in_plugin(manipulations, table, (ROWS, i, "chain", j))
    ]
    for axis in found:
        axes.check(axis)
    expanded = list(axes.expanded(rows, ROWS, "name", _check_row, found))
    return {**{key: value for key, value in tree.items() if key != ROWS}, ROW: expanded}


def _check_row(row: Any, where: str) -> None:
    parse_settings(ServerSettings, row, where)
    built(row.get("chain", []), f"{where}.chain")
