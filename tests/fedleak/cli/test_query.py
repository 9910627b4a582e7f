"""What a person, or a pipe, gets from `fedleak query`."""

import csv
import io
import json

import pytest
from typer.testing import CliRunner

from fedleak.cli.app import app
from fedleak.results.row import write_results
from fedleak.runs.folder import RunFolder
from fedleak.runs.query import EXAMPLES


@pytest.fixture(scope="module")
def root(tmp_path_factory, make_row):
    folder = RunFolder(tmp_path_factory.mktemp("cli") / "a run")
    rows = [make_row(float(i) / 3, client=i, setting={"federation.batch_size": 4}) for i in range(60)]
    write_results(folder.results, [*rows, make_row(client=60, reason='a "b"|c')])
    return folder.root


def invoke(*words, **options):
    return CliRunner(env={"COLUMNS": "80"}).invoke(app, ["query", *map(str, words)], **options)


def test_a_table_shows_fifty_rows_and_says_what_it_leaves_out(root):
    said = invoke(root, "SELECT client, value FROM results")
    assert said.exit_code == 0
    assert said.stdout.count("\n") < 60
    assert "… 11 more rows" in said.stdout
    assert " 0.333333" in said.stdout
    assert "… 59 more rows" in invoke(root, "SELECT client FROM results", "--limit", 2).stdout


@pytest.mark.parametrize("sql", ["FROM results", "SELECT repeat('x', 500) AS a, 1 AS b", f"SELECT {'1,' * 60} 1"])
def test_a_table_fits_the_terminal(root, sql):
    said = invoke(root, sql)
    assert max(map(len, said.stdout.splitlines())) <= 80
    assert "─" in said.stdout


def test_columns_that_do_not_fit_are_named(root):
    said = " ".join(invoke(root, "FROM results").stdout.split())
    assert "more columns: " in said
    assert said.endswith("federation, batch_size … 11 more rows")


def test_csv_is_clean(root):
    said = invoke(root, "SELECT client, value, reason, per_sample, certified FROM results ORDER BY client", "-f", "csv")
    rows = list(csv.reader(io.StringIO(said.stdout)))
    assert rows[0] == ["client", "value", "reason", "per_sample", "certified"]
    assert rows[2] == ["1", repr(1 / 3), "", f"[{1 / 3!r}]", "false"]
    assert rows[-1] == ["60", "", 'a "b"|c', "[]", "false"]
    assert len(rows) == 62


def test_json_is_clean(root):
    others = "1.5 AS decimal, 1/0 AS infinite, DATE '2020-01-02' AS day"
    sql = f"SELECT value, value, per_sample, {others} FROM results LIMIT 2"
    assert json.loads(invoke(root, sql, "--format", "json").stdout) == [
        {"value": v, "value_1": v, "per_sample": [v], "decimal": 1.5, "infinite": None, "day": "2020-01-02"}
        for v in (0.0, 1 / 3)
    ]
    assert json.loads(invoke(root, "FROM results WHERE false", "-f", "json").stdout) == []


def test_what_a_pipe_does_not_get_is_said_on_stderr(root):
    said = invoke(root, "SELECT client FROM results", "-f", "csv", "--limit", 2)
    assert said.stdout == "client\n0\n1\n"
    assert said.stderr == "… 59 more rows\n"


def test_markdown_is_a_table_and_bars_are_escaped(root):
    said = invoke(root, "SELECT client, value, reason FROM results WHERE client IN (1, 60)", "-f", "markdown")
    assert said.stdout.splitlines() == [
        "| client | value | reason |", "| --- | --- | --- |", "| 1 | 0.333333 | - |", '| 60 | - | a "b"\\|c |',
    ]  # fmt: skip


def test_what_steers_a_terminal_is_left_out(root):
    said = invoke(root, "SELECT chr(27) || '[31mred' || chr(155) AS \"a\x1bb\", chr(0) || 'x' AS c")
    assert "[31mred" in said.stdout
    assert not {"\x1b", "\x9b", "\0"} & {*said.stdout}
    assert "\\`a\\`" in invoke(root, "SELECT '`a`' AS b", "-f", "markdown").stdout


def test_the_time_can_be_asked_for(root):
    said = invoke(root, "SELECT now() AS now", "-f", "json")
    assert said.exit_code == 0, said.output
    assert json.loads(said.stdout)[0]["now"].endswith("+00")


def test_sql_comes_from_a_pipe_too(root):
    said = invoke(root, "-", "-f", "csv", input="SELECT count(*) AS n\nFROM results\n")
    assert said.stdout == "n\n61\n"


def test_without_sql_scripts_get_the_columns_too(root):
    facts = json.loads(invoke(root, "--format", "json").stdout)
    assert list(facts[0]) == ["table", "column", "type", "meaning"]
    assert {"results", "federations", "checks", "dp_audit"} == {one["table"] for one in facts}
    assert invoke(root, "--format", "csv").stdout.startswith("table,column,type,meaning\n")
    assert invoke(root, "--format", "markdown").stdout.startswith("| table | column | type | meaning |\n")


def test_without_sql_the_columns_and_three_questions_are_shown(root):
    said = invoke(root)
    assert said.exit_code == 0
    assert "mean over the samples" in said.stdout
    assert "setting federation.batch_size" in said.stdout
    assert said.stdout.count(f"fedleak query '{root}' \"SELECT") == len(EXAMPLES) == 3


@pytest.mark.parametrize(
    ("sql", "sentence"),
    [
        ("SELECT valu FROM results", 'did you mean "value"'),
        ("COPY results TO 'x.csv'", "Permission Error"),
        ("", "empty"),
    ],
)
def test_wrong_sql_is_one_sentence_and_status_2(root, sql, sentence):
    said = invoke(root, sql)
    assert said.exit_code == 2
    assert said.stdout == ""
    assert said.stderr.startswith("error: ")
    assert sentence in said.stderr
    assert said.stderr.count("\n") == 1


def test_a_missing_run_is_one_sentence_and_status_2(tmp_path):
    said = invoke(tmp_path / "nowhere", "SELECT 1")
    assert said.exit_code == 2
    assert said.stderr.count("\n") == 1
    assert "is it a run folder?" in said.stderr
