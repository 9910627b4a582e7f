"""SQL over a run: its rows as the tables `results`, `federations`, `checks` and `dp_audit`."""

from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from fedleak.errors import OutputError, RecordingError
from fedleak.results.check_row import read_checks
from fedleak.results.database import Database
from fedleak.results.dp_row import read_dp_rows
from fedleak.results.federation_row import read_federations
from fedleak.results.row import read_results
from fedleak.results.tables import (
    RESULTS,
    SOURCE,
    checks_table,
    digest_of,
    dp_table,
    federations_table,
    results_table,
    write_table,
)
from fedleak.runs.folder import RunFolder

EXAMPLES = (
    "SELECT defense, attack, metric, avg(value), avg(baseline), count(value)\n"
    "FROM results WHERE split = 'test' GROUP BY ALL ORDER BY metric, defense, attack",
    "SELECT attack, reason, count(*) FROM results WHERE value IS NULL GROUP BY ALL",
    "SELECT defense, avg(r.value) AS psnr, avg(f.accuracy) AS accuracy\n"
    "FROM results r JOIN federations f USING (task, federation, defense, seed, round)\n"
    "WHERE metric = 'psnr' GROUP BY ALL ORDER BY psnr",
)
"""Questions that people ask first: what leaked, what failed, what a defense costs."""


def open_run(root: Path) -> Database:
    """A database with the rows of a run; SQL cannot change the run through it.

    Raises `RecordingError` where the run is missing, damaged or without results.
    """
    folder = RunFolder(root)
    results = _results(folder)
    federations = federations_table(read_federations(folder.federations) if folder.federations.exists() else ())
    checks = checks_table(read_checks(folder.checks) if folder.checks.exists() else ())
    audits = dp_table(read_dp_rows(folder.dp_audit) if folder.dp_audit.exists() else ())
    if not results.num_rows and not federations.num_rows:
        raise RecordingError(f"{folder.results} holds no results; the run has no finished cell yet, go on with it")
    return Database({"results": results, "federations": federations, "checks": checks, "dp_audit": audits})


def _results(folder: RunFolder) -> pa.Table:
    """`results.parquet`, or where a killed run left none or an older one, what `results.jsonl` has."""
    source = digest_of(folder.results)
    table = _fresh_parquet(folder, source)
    if table is None:
        table = results_table(read_results(folder.results))
        with suppress(OutputError):  # a folder that cannot be written to can be queried all the same
            write_table(folder.parquet, table, source)
    return table


def _fresh_parquet(folder: RunFolder, source: str) -> pa.Table | None:
    """None where it is missing, made from other rows, or not whole: it can be made again."""
    try:
        table = pq.ParquetFile(folder.parquet).read()
    except (OSError, pa.ArrowException):
        return None
    if (table.schema.metadata or {}).get(SOURCE.encode()) != source.encode():
        return None
    return table if {column.name for column in RESULTS} <= {*table.column_names} else None
