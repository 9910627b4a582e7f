"""The rows of a run as tables: `results.parquet`, and what `fedleak query` asks.

A row's `client` becomes two columns: `sender`, which is `client` or `aggregate`, and `client`, its number, null for the
aggregate. Each key of a row's `setting` becomes a column of its own; see `columns.table_of`.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from fedleak.io.atomic import write_atomically
from fedleak.results.columns import Column, table_of
from fedleak.results.federation_row import FederationRow
from fedleak.results.row import AGGREGATE, Row

TEXT, WHOLE, REAL, TRUTH = pa.string(), pa.int64(), pa.float64(), pa.bool_()

SOURCE = "digest of results.jsonl"
"""Key of a Parquet file's metadata."""
RESULTS = (
    Column("task", TEXT, "the public problem: data and model"),
    Column("defense", TEXT, "the defense's name in the experiment"),
    Column("algorithm", TEXT, "the attack's registered name"),
    Column("attack", TEXT, "the attack's label"),
    Column(
        "sender",
        TEXT,
        "client, or aggregate: the sum that secure aggregation revealed",
        lambda row: AGGREGATE if row.client == AGGREGATE else "client",
    ),
    Column(
        "client",
        WHOLE,
        "the client's number; null for the aggregate",
        lambda row: None if row.client == AGGREGATE else row.client,
    ),
    Column("round", WHOLE, "of the federation, from 1"),
    Column("seed", WHOLE, "of the federation and the attack"),
    Column("split", TEXT, "test; or tuning: only chooses among the variants of an attack"),
    Column("metric", TEXT, "what is measured"),
    Column("value", REAL, "mean over the samples; null where there is none, see reason"),
    Column("baseline", REAL, "the same for the prior: the best constant guess without the update"),
    Column("no_gradient", REAL, "the same for public examples drawn at random"),
    Column("best", REAL, "the sample that leaked most"),
    Column("worst", REAL, "the sample that leaked least"),
    Column("unit", TEXT, "of value, baseline, no_gradient, best, worst and per_sample"),
    Column("higher_is_better", TRUTH, "for the attacker: a higher value is more leakage"),
    Column("certifiable", TRUTH, "whether the attack had a test that its guess could have passed"),
    Column("certified", TRUTH, "whether the attack proved its guess"),
    Column("certificate", TEXT, "the test that proved the guess, in words; null where none did"),
    Column("trouble", TEXT, "why the guess does not fit the update, in a word; null where it fits or nobody can tell"),
    Column("diagnosis", TEXT, "the same in a sentence, with what to do about it"),
    Column("reason", TEXT, "why there is no value, or only one over a part of the samples"),
    Column("applicable", TRUTH, "false where the metric cannot judge what the attack guesses, or such data"),
    Column("seconds", REAL, "what the attack took"),
    Column("samples", WHOLE, "examples behind the message"),
    Column("per_sample", pa.list_(REAL), "the value of each sample; null where no guess was matched to it"),
    Column("blind_per_sample", pa.list_(REAL), "for each sample the better guess without the update"),
    Column("federation", TEXT, "folder of the federation below the run's recordings"),
)
FEDERATIONS = (
    Column("task", TEXT, "the public problem: data and model"),
    Column("defense", TEXT, "the defense's name in the experiment"),
    Column("seed", WHOLE, "of the federation"),
    Column("split", TEXT, "test or tuning"),
    Column("round", WHOLE, "from 1"),
    Column(
        "recorded", TRUTH, "false for the rounds after the attacked ones, which only show how good the model becomes"
    ),
    Column("messages", WHOLE, "updates that the server recorded in this round"),
    Column("failures", WHOLE, "clients that sent nothing in this round"),
    Column("accuracy", REAL, "on the task's test split after the round; null where it was not evaluated"),
    Column("loss", REAL, "the same for the loss"),
    Column("bytes_received", REAL, "by a client, for training, as Flower counts them; mean over clients"),
    Column("bytes_sent", REAL, "the same of its answers"),
    Column("bytes_encoded", REAL, "what a client's update would take in the encoding of its defenses"),
    Column("client_seconds", REAL, "of training and defenses; median over clients"),
    Column("client_memory", REAL, "bytes that these take at the peak; median over clients"),
    Column("seconds", REAL, "the whole federation's, the same in each of its rounds"),
    Column("federation", TEXT, "folder of the federation below the run's recordings"),
)


def digest_of(results: Path) -> str:
    """Tells whether a table still says what a file says; empty where there is none."""
    try:
        return hashlib.blake2b(results.read_bytes(), digest_size=10).hexdigest()
    except OSError:
        return ""


def results_table(rows: Iterable[Row]) -> pa.Table:
    """The rows of `results.jsonl` as columns."""
    return table_of(RESULTS, tuple(rows))


def federations_table(rows: Iterable[FederationRow]) -> pa.Table:
    """The rows of `federations.jsonl` as columns."""
    return table_of(FEDERATIONS, tuple(rows))


def write_parquet(path: Path, rows: Iterable[Row]) -> Path:
    """Writes the rows as `results.parquet`, beside the `results.jsonl` that has them; the file is replaced whole."""
    return write_table(path, results_table(rows), digest_of(path.with_name("results.jsonl")))


def write_table(path: Path, table: pa.Table, source: str) -> Path:
    """Writes a table as Parquet with the digest of the file that it was made from; the file is replaced whole."""
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata({SOURCE: source}), sink, compression="zstd")
    return write_atomically(path, sink.getvalue().to_pybytes())
