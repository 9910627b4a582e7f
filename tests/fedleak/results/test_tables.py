"""Every value of every row is in the Parquet file, in a column of its type; NaN is null there."""

import math
from dataclasses import fields

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedleak.errors import OutputError
from fedleak.results.check_row import CheckRow
from fedleak.results.federation_row import FederationRow
from fedleak.results.row import Row
from fedleak.results.schema import AGGREGATE
from fedleak.results.tables import CHECKS, FEDERATIONS, RESULTS, federations_table, results_table, write_parquet

SETTINGS = st.dictionaries(
    st.sampled_from(["federation.batch_size", "federation.momentum", "vary", "attacks.round"]),
    st.one_of(st.booleans(), st.integers(-5, 5), st.floats(-5, 5), st.sampled_from(["a", ""])),
)
FIGURE = st.one_of(st.floats(-100, 100), st.just(math.nan))


def same(value, held):
    """Whether a table holds a row's value: null for NaN, text where a setting's values are of several kinds."""
    if isinstance(held, str) and not isinstance(value, str):
        return held == str(value).lower()
    if isinstance(value, float) and math.isnan(value):
        return held is None
    return value == held


@pytest.mark.slow
@given(
    facts=st.lists(
        st.fixed_dictionaries({
            "client": st.one_of(st.integers(0, 99), st.just(AGGREGATE)), "seed": st.integers(0, 2**62), "value": FIGURE,
            "baseline": FIGURE, "best": FIGURE, "setting": SETTINGS, "reason": st.sampled_from([None, "it raised", ""]),
            "certified": st.booleans(), "per_sample": st.lists(FIGURE, max_size=3).map(tuple),
        }), max_size=5,
    )
)  # fmt: skip
def test_every_value_comes_back(tmp_path_factory, make_row, facts):
    rows = [make_row(**fact) for fact in facts]
    table = pq.read_table(write_parquet(tmp_path_factory.mktemp("run") / "results.parquet", rows))
    keys = {
        (field.metadata or {})[b"setting"].decode(): field.name
        for field in table.schema
        if b"setting" in (field.metadata or {})
    }
    assert set(keys) == {key for row in rows for key in row.setting}
    assert table.num_rows == len(rows)
    for row, held in zip(rows, table.to_pylist(), strict=True):
        lists = {field.name for field in fields(Row) if field.name.endswith("per_sample")}
        plain = {field.name for field in fields(Row)} - {"client", "setting", *lists}
        assert all(same(getattr(row, name), held[name]) for name in plain)
        for name in lists:
            assert len(getattr(row, name)) == len(held[name])
            assert all(map(same, getattr(row, name), held[name]))
        assert (held["sender"], held["client"]) == (
            (AGGREGATE, None) if row.client == AGGREGATE else ("client", row.client)
        )
        for key, name in keys.items():
            assert held[name] is None if key not in row.setting else same(row.setting[key], held[name])


def test_what_is_not_finite_is_null(make_row):
    (held,) = results_table([make_row(1.0, math.inf, value=math.inf, best=-math.inf)]).to_pylist()
    assert (held["value"], held["best"], held["per_sample"]) == (None, None, [1.0, None])


def test_every_field_has_a_column_of_its_type_and_a_meaning(make_row):
    table = results_table([])
    assert {column.name for column in RESULTS} >= {field.name for field in fields(Row)} - {"setting"}
    assert {column.name for column in FEDERATIONS} == {field.name for field in fields(FederationRow)} - {"setting"}
    assert {column.name for column in CHECKS} == {field.name for field in fields(CheckRow)} - {"setting"}
    assert all(field.metadata[b"meaning"] for field in table.schema)
    types = {"client": pa.int64(), "value": pa.float64(), "certified": pa.bool_(), "per_sample": pa.list_(pa.float64())}
    assert {name: table.schema.field(name).type for name in types} == types
    assert results_table([make_row(1.0)]).schema == table.schema


def test_federations_are_a_table_too():
    row = FederationRow(
        task="digits-mlp", setting={"federation.batch_size": 4}, federation="", split="test", defense="none", seed=3,
        round=1, messages=4, failures=0, accuracy=math.nan, loss=0.5, seconds=1.0,
    )  # fmt: skip
    (held,) = federations_table([row]).to_pylist()
    assert (held["accuracy"], held["loss"], held["seed"], held["batch_size"]) == (None, 0.5, 3, 4)


def test_the_file_is_replaced_whole(tmp_path, make_row):
    path = tmp_path / "results.parquet"
    write_parquet(path, [make_row(1.0)])
    write_parquet(path, [make_row(2.0), make_row(3.0)])
    assert pq.read_table(path)["value"].to_pylist() == [2.0, 3.0]
    assert [file.name for file in tmp_path.iterdir()] == ["results.parquet"]


def test_a_path_that_cannot_be_written_is_one_sentence(tmp_path, make_row):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot write"):
        write_parquet(tmp_path / "file" / "results.parquet", [make_row(1.0)])
