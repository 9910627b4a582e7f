"""Alarms come back as clients left them."""

from pathlib import Path

import pytest

from fedleak.errors import RecordingError
from fedleak.vault.alarms import RaisedAlarm, deposit_alarms, raised_alarms


def raised(client: int, round: int) -> RaisedAlarm:
    return RaisedAlarm(client=client, round=round, defense="d-snr", sentence="one dominates", refused=False)


def test_they_come_back_by_round_then_client(tmp_path: Path) -> None:
    for client, round in ((11, 1), (2, 10), (2, 1)):
        deposit_alarms(tmp_path, [raised(client, round)])
    found = [(alarm.round, alarm.client) for alarm in raised_alarms(tmp_path)]
    assert found == [(1, 2), (1, 11), (10, 2)]


def test_nothing_seen_leaves_no_file(tmp_path: Path) -> None:
    deposit_alarms(tmp_path, [])
    assert list(tmp_path.iterdir()) == []
    assert raised_alarms(tmp_path / "nowhere") == []


def test_a_damaged_file_is_one_sentence(tmp_path: Path) -> None:
    deposit_alarms(tmp_path, [raised(0, 1)])
    (tmp_path / "round-0001" / "alarms-0000.json").write_text("[{}]")
    with pytest.raises(RecordingError, match="holds no alarms of a client"):
        raised_alarms(tmp_path)
