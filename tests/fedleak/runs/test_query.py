"""SQL sees a run's rows, fresh ones, and nothing else on this machine."""

import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fedleak.errors import ConfigError, RecordingError
from fedleak.results import database
from fedleak.results.check_row import CheckRow, write_checks
from fedleak.results.federation_row import FederationRow, write_federations
from fedleak.results.row import write_results
from fedleak.results.schema import AGGREGATE
from fedleak.results.tables import write_parquet
from fedleak.runs.folder import RunFolder
from fedleak.runs.query import EXAMPLES, open_run

FEDERATION = FederationRow(
    task="digits-mlp", setting={"federation.batch_size": 4}, federation="", split="test", defense="none", seed=0,
    round=1, messages=4, failures=0, accuracy=0.9, loss=0.5, seconds=1.0,
)  # fmt: skip

CHECK = CheckRow(
    task="digits-mlp", setting={"federation.batch_size": 4}, federation="", split="test", defense="watched", seed=0,
    round=1, server="imprint", client=1, crafted=True, check="weight-watch", statistic="alike", value=0.25, seconds=0.1,
)  # fmt: skip


@pytest.fixture
def folder(tmp_path, make_row):
    """A run with four rows, as one that ended leaves it."""
    rows = [
        make_row(20.0, 22.0, setting={"federation.batch_size": 2}),
        make_row(10.0, client=1, setting={"federation.batch_size": 2}),
        make_row(15.0, client=AGGREGATE, defense="secure"),
        make_row(client=2),
    ]
    folder = RunFolder(tmp_path / "run")
    write_results(folder.results, rows)
    write_parquet(folder.parquet, rows)
    return folder


def values(folder, sql):
    return list(open_run(folder.root).ask(sql).rows)


def test_rows_can_be_asked_for(folder):
    assert values(folder, "SELECT defense, avg(value), count(*) FROM results GROUP BY ALL ORDER BY ALL") == [
        ("none", 15.5, 3),
        ("secure", 15.0, 1),
    ]
    assert values(folder, "SELECT sender, client, batch_size FROM results WHERE value IS NOT NULL") == [
        ("client", 0, 2), ("client", 1, 2), ("aggregate", None, None),
    ]  # fmt: skip
    assert values(folder, "SELECT list_max(per_sample) FROM results LIMIT 1") == [(22.0,)]


@pytest.mark.slow
def test_rows_come_in_the_order_of_the_file(tmp_path, make_row):
    folder = RunFolder(tmp_path)
    write_results(folder.results, [make_row(float(i)) for i in range(5_000)])
    assert values(folder, "SELECT value FROM results") == [(float(i),) for i in range(5_000)]


def test_the_rows_of_a_killed_run_are_found_without_parquet_and_it_is_made(folder, make_row):
    folder.parquet.unlink()
    assert values(folder, "SELECT count(*) FROM results") == [(4,)]
    assert folder.parquet.exists()


def test_a_run_with_names_of_before_is_asked_by_those_of_today(folder):
    table = pq.read_table(folder.parquet)
    names = [name.replace("no_access", "no_gradient") for name in table.column_names]
    pq.write_table(table.rename_columns(names).replace_schema_metadata(table.schema.metadata), folder.parquet)
    folder.results.write_text(folder.results.read_text().replace("no_access", "no_gradient"))
    assert values(folder, "SELECT DISTINCT no_access FROM results WHERE value IS NOT NULL") == [(9.0,)]


def test_an_older_parquet_is_made_anew(folder, make_row):
    write_results(folder.results, [make_row(1.0)])
    later = folder.parquet.stat().st_mtime_ns + 10**9
    os.utime(folder.results, ns=(later, later))
    assert values(folder, "SELECT value FROM results") == [(1.0,)]


@pytest.mark.parametrize("content", [b"", b"PAR1", None])
def test_a_damaged_or_foreign_parquet_is_made_anew(folder, content):
    if content is None:
        pq.write_table(pa.table({"value": [1.0]}), folder.parquet)
    else:
        folder.parquet.write_bytes(content)
    assert values(folder, "SELECT count(defense) FROM results") == [(4,)]


def test_a_folder_that_cannot_be_written_can_be_queried(folder, monkeypatch):
    def refuse(self, target):
        raise PermissionError(13, "Permission denied", str(self))

    folder.parquet.unlink()
    monkeypatch.setattr(Path, "replace", refuse)
    assert values(folder, "SELECT count(*) FROM results") == [(4,)]
    assert not folder.parquet.exists()


def test_a_folder_s_own_name_is_no_column(tmp_path, make_row):
    folder = RunFolder(tmp_path / "color=red")
    write_results(folder.results, [make_row(1.0)])
    open_run(folder.root)
    assert "color" not in [column.name for column in open_run(folder.root).describe()]


def test_federations_are_a_table_of_their_own(folder):
    assert values(folder, "SELECT count(*) FROM federations") == [(0,)]
    write_federations(folder.federations, [FEDERATION])
    assert values(folder, "SELECT accuracy, batch_size FROM federations") == [(0.9, 4)]


def test_checks_are_a_table_of_their_own(folder):
    assert values(folder, "SELECT count(*) FROM checks") == [(0,)]
    write_checks(folder.checks, [CHECK, replace(CHECK, client=3, value=math.inf, alarm=True)])
    asked = "SELECT client, value, alarm, batch_size FROM checks ORDER BY client"
    assert values(folder, asked) == [(1, 0.25, False, 4), (3, None, True, 4)]


@pytest.mark.slow
def test_a_question_needs_nothing_that_takes_long_to_import(folder):
    write_federations(folder.federations, [FEDERATION])
    heavy = "atexit.register(lambda: print({'torch', 'flwr', 'pandas'} & set(sys.modules) or 'light'))"
    code = f"import atexit, sys; {heavy}; from fedleak.cli import main; main()"
    command = [sys.executable, "-c", code, "query", folder.root, "SELECT * FROM results, federations, checks"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.splitlines()[-1] == "light"


def test_the_examples_can_be_asked_and_say_something(folder):
    write_federations(folder.federations, [FEDERATION])
    opened = open_run(folder.root)
    for example in EXAMPLES:
        assert opened.ask(example).rows


def test_the_columns_are_described(folder):
    columns = open_run(folder.root).describe()
    assert list(dict.fromkeys(column.table for column in columns)) == ["results", "federations", "checks", "dp_audit"]
    assert all(column.meaning and column.type for column in columns)
    (batch,) = [column for column in columns if (column.table, column.name) == ("results", "batch_size")]
    assert (batch.type, batch.meaning) == ("BIGINT", "setting federation.batch_size")


def test_a_limit_counts_what_it_leaves_out(folder):
    opened = open_run(folder.root)
    answer = opened.ask("SELECT * FROM results", 3)
    assert (len(answer.rows), answer.more) == (3, 1)
    assert opened.ask("SELECT range FROM range(25000)", 1).more == 24_999


def test_columns_of_one_name_are_told_apart(folder):
    assert open_run(folder.root).ask("SELECT 1 AS a, 2 AS a, 3 AS a_1, 4 AS a").columns == ("a", "a_1", "a_1_1", "a_2")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sql", "sentence"),
    [
        ("SELECT valu FROM results", 'Referenced column "valu" not found .*; did you mean "value"'),
        ("SELECT * FROM reslts", r"Table with name reslts does not exist; did you mean 'results'\?$"),
        ("SELECT foo(value) FROM results", r'Function with name foo does not exist; did you mean "'),
        ("SELEC 1", 'Parser Error: syntax error at or near "SELEC"$'),
        ("SELECT CAST(defense AS INT) FROM results", "Could not convert string 'none' to INT32"),
        ("", "the SQL is empty; expected a query such as SELECT"),
        ("-- nothing", "the SQL is empty"),
    ],
)
def test_wrong_sql_is_one_sentence(folder, sql, sentence):
    with pytest.raises(ConfigError, match=sentence) as caught:
        values(folder, sql)
    assert "\n" not in str(caught.value)


def test_rows_are_counted_up_to_a_cap(folder, monkeypatch):
    monkeypatch.setattr(database, "MOST_COUNTED", 30_000)
    assert 30_000 <= open_run(folder.root).ask("SELECT range FROM range(1_000_000_000)", 1).more < 50_000


def test_an_answer_of_any_size_can_be_read_in_batches(folder):
    stream = open_run(folder.root).stream("SELECT range FROM range(10_000_000_000)", 25_000)
    assert [len(batch) for batch in stream.batches] == [10_000, 10_000, 5_000]


def test_a_time_with_a_zone_is_text(folder):
    sql = (
        "SELECT TIMESTAMPTZ '2020-01-02 03:04:05+01' AS a, 1 AS a, [TIMESTAMPTZ '2020-01-02 02:04:05+00'] AS l -- x\n;"
    )
    when = "2020-01-02 02:04:05+00"
    answer = open_run(folder.root).ask(sql)
    assert (answer.columns, answer.rows) == (("a", "a_1", "l"), ((when, 1, f"['{when}']"),))
    assert values(folder, "SELECT 1; SELECT typeof(now()), now() > TIMESTAMPTZ '2020-01-01'") == [
        ("TIMESTAMP WITH TIME ZONE", True)
    ]


def test_a_query_cannot_take_all_the_memory(folder):
    assert values(folder, "SELECT current_setting('memory_limit')") == [("1.8 GiB",)]
    with pytest.raises(ConfigError, match="SQL: "):
        values(folder, "SET memory_limit = '100GB'")


@pytest.mark.slow
@pytest.mark.parametrize(
    "sql",
    [
        "COPY results TO '{path}/copy.csv'", "EXPORT DATABASE '{path}/export'", "ATTACH '{path}/other.db'",
        "FROM read_csv('{path}/run/results.jsonl')", "FROM read_text('{path}/run/results.jsonl')",
        "FROM '{path}/run/results.parquet'", "FROM glob('{path}/*')", "FROM read_csv('http://127.0.0.1:9/x.csv')",
        "INSTALL httpfs", "LOAD httpfs", "SET enable_external_access = true", "RESET enable_external_access",
        "SET lock_configuration = false", "SET temp_directory = '{path}/spill'",
        "PRAGMA profiling_output = '{path}/profile'",
        "CALL enable_logging(storage = 'file', storage_path = '{path}/log')",
        "CREATE PERSISTENT SECRET (TYPE http)", "IMPORT DATABASE '{path}'", "FROM secret_of_the_caller",
    ],
)  # fmt: skip
def test_nothing_outside_the_tables_can_be_reached(folder, tmp_path, sql):
    secret_of_the_caller = pa.table({"secret": [1]})
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with pytest.raises(ConfigError, match="SQL: "):
        values(folder, sql.format(path=tmp_path))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert secret_of_the_caller.num_rows == 1


def test_changing_a_table_changes_no_file(folder):
    files = {path: path.read_bytes() for path in folder.root.iterdir()}
    values(folder, "DELETE FROM results; DROP TABLE federations; CHECKPOINT; SELECT 1")
    assert {path: path.read_bytes() for path in folder.root.iterdir()} == files
    assert values(folder, "SELECT count(*) FROM results") == [(4,)]


def test_a_missing_run_is_one_sentence(tmp_path):
    with pytest.raises(RecordingError, match="is it a run folder"):
        open_run(tmp_path / "nowhere")


def test_a_run_without_results_is_one_sentence(tmp_path):
    folder = RunFolder(tmp_path)
    write_results(folder.results, [])
    with pytest.raises(RecordingError, match="holds no results"):
        open_run(tmp_path)


def test_a_run_without_attacks_is_asked_for_its_rounds(tmp_path):
    folder = RunFolder(tmp_path)
    write_results(folder.results, [])
    write_federations(folder.federations, [FEDERATION])
    assert open_run(tmp_path).ask("SELECT accuracy FROM federations", 5).rows == ((0.9,),)


@pytest.mark.parametrize("name", ["results", "federations", "checks"])
def test_damaged_rows_are_one_sentence(folder, name):
    path = getattr(folder, name)
    path.write_text('{"task": ')
    later = folder.parquet.stat().st_mtime_ns + 10**9
    os.utime(path, ns=(later, later))
    with pytest.raises(RecordingError, match=f"{name}.jsonl is damaged"):
        open_run(folder.root)
