"""The journal has what the server is not told, and is read by its owner alone."""

import json
from pathlib import Path

import pytest

from fedleak.guard.journal import Refused, figure, note


def test_a_refusal_is_a_line(tmp_path: Path) -> None:
    path = tmp_path / "below" / "journal.jsonl"
    for number in range(2):
        note(path, Refused("max_bytes", "too large", "a\nb"), {"round": str(number)})
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["round"] for row in rows] == ["0", "1"]
    assert rows[0]["reason"] == "the guard of this site refuses: too large (max_bytes)"
    assert rows[0]["detail"] == "a\nb"
    assert path.stat().st_mode & 0o777 == 0o600


def test_without_a_journal_the_log_has_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    note(tmp_path / "file" / "journal.jsonl", Refused("max_bytes", "too large"), {})
    assert "too large (max_bytes)" in caplog.text


def test_a_figure_has_three_digits() -> None:
    assert [figure(value) for value in (0.123456, 12345678, 1.0)] == ["0.123", "1.23e+07", "1"]
