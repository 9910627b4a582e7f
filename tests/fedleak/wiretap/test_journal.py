"""The folder that a tap writes: what readers may rely on."""

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from fedleak.wiretap.journal import FullError, Journal, JournalError, read_arrays, read_journal

DOCS = Path(__file__).resolve().parents[3] / "docs" / "recording.md"
ARRAYS = {"b": np.arange(3.0), "a": np.array(2, np.int64)}
SENT = {"tap": "t", "id": "1", "node": 5, "type": "train", "group": "", "round": 1, "round_from": "counted"}
REPLY = {"tap": "t", "to": "1", "node": 5, "from": 5, "type": "train", "round": 1}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "tap"


def written(folder: Path) -> str:
    """A journal with one exchange; the digest of its arrays."""
    journal = Journal(folder, 10**6)
    digest = journal.store(ARRAYS, {})
    journal.write({"kind": "tap", "tap": "t", "format": "fedleak-wiretap-2"})
    journal.write({"kind": "sent", **SENT, "arrays": {"weights": digest}, "config": {"c": {"lr": 0.5, "path": None}}})
    metrics = {"m": {"n": 4, "loss": "inf", "all": [1, 2]}}
    journal.write({"kind": "reply", **REPLY, "arrays": {"weights": digest}, "metrics": metrics})
    journal.close()
    return digest


def test_what_is_written_is_read(folder: Path) -> None:
    written(folder)
    (one,) = read_journal(folder)
    assert one.received is not None
    for content in (one.sent, one.received):
        arrays = content.arrays()
        assert list(arrays) == ["b", "a"]
        assert all(
            np.array_equal(arrays[name], ARRAYS[name]) and arrays[name].shape == ARRAYS[name].shape for name in arrays
        )
    assert one.received.numbers == {"n": 4, "loss": float("inf")}
    assert one.sent.numbers == {"lr": 0.5}


def test_the_digest_is_that_of_the_file(folder: Path) -> None:
    digest = written(folder)
    path = folder / "arrays" / f"{digest}.safetensors"
    assert subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True).stdout.split()[0] == digest


def test_the_same_arrays_are_stored_once_and_other_ones_apart(folder: Path) -> None:
    journal = Journal(folder, 10**6)
    same = {journal.store(arrays, {}) for arrays in (ARRAYS, {name: one.copy() for name, one in ARRAYS.items()})}
    others = {journal.store(arrays, {}) for arrays in ({}, {"b": np.arange(3.0) + 1}, {"b": np.arange(3)})}
    assert (len(same), len(others)) == (1, 3)
    assert len(list((folder / "arrays").iterdir())) == 4


def test_it_grows_no_further_than_it_may(folder: Path) -> None:
    journal = Journal(folder, 300)
    with pytest.raises(FullError, match="300 bytes"):
        journal.store({"a": np.zeros(100)}, {})
    with pytest.raises(FullError):
        journal.write({"a": "b" * 300})
    journal.write({"a": "b" * 300}, reserved=True)
    journal.close()
    with pytest.raises(FullError):
        Journal(folder, 300).write({})


def test_a_line_after_a_torn_one_can_be_read(folder: Path) -> None:
    written(folder)
    with (folder / "messages.jsonl").open("a") as file:
        file.write('{"kind":"sent","tap":"t","id":"2"')
    assert len(read_journal(folder)) == 1
    journal = Journal(folder, 10**6)
    journal.write({"kind": "sent", **SENT, "id": "3"})
    assert [one.received is not None for one in read_journal(folder)] == [True, False]


def test_after_it_is_closed_nothing_is_written(folder: Path) -> None:
    journal = Journal(folder, 10**6)
    journal.close()
    journal.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        journal.write({})


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "cannot read"),
        (b"\xff", "cannot read"),
        (b"", "expected a journal of format"),
        (b'{"format": "fedleak-recording-1"}\n', "expected a journal of format"),
        (b'{"format": "fedleak-wiretap-2"}\n', "is damaged"),
        (b'{"format": "fedleak-wiretap-2", "kind": "sent", "tap": "t"}\n', "is damaged"),
    ],
)
def test_what_is_no_journal_is_a_sentence(folder: Path, content: bytes | None, sentence: str) -> None:
    folder.mkdir()
    if content is not None:
        (folder / "messages.jsonl").write_bytes(content)
    with pytest.raises(JournalError, match=sentence):
        read_journal(folder)


def test_arrays_that_are_gone_or_changed_are_a_sentence(folder: Path) -> None:
    digest = written(folder)
    with pytest.raises(JournalError, match="cannot read"):
        read_arrays(folder, "0" * 64)
    path = folder / "arrays" / f"{digest}.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(JournalError, match="of that digest"):
        read_arrays(folder, digest)


def test_the_lines_in_the_docs_read_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(folder)
    with (folder / "messages.jsonl").open("a") as file:
        file.write('{"kind":"sent","tap":')
    (code,) = [
        block for block in re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL) if "load_file" in block
    ]
    exec(compile(code.replace("FOLDER", str(folder)), "docs/recording.md", "exec"), {})
    assert capsys.readouterr().out.startswith("1 5 train {'m': {'n': 4, 'loss': 'inf'")


def test_every_kind_of_line_and_field_is_in_the_docs(folder: Path) -> None:
    written(folder)
    text = DOCS.read_text()
    lines = [json.loads(line) for line in (folder / "messages.jsonl").read_text().splitlines()]
    words = {word for line in lines for word in (*line, line["kind"])} | {"bound", "end", "left_out", "error", "other"}
    assert [word for word in sorted(words) if f"`{word}`" not in text] == []
