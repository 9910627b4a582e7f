"""Checks of received models in whole runs: refusals, reports, and what people are told and the server never learns."""

from pathlib import Path
from typing import Any

import pytest

from fedleak.experiment.grid import parse_campaign
from fedleak.report.alarms import alarms
from fedleak.results.federation_row import read_federations
from fedleak.run import run
from fedleak.verification.verify import verify

NERVOUS = {"use": "weight-watch", "change": 0.0}
"""Any change at all is an alarm, so from the second round on."""
TREE: dict[str, Any] = {
    "name": "clients that look first",
    "task": "digits-mlp",
    "federation": {"clients": 3, "rounds": 3, "batch_size": 8, "fraction_evaluate": 1.0},
    "attacks": [{"use": "prior"}],
    "defenses": [
        {"name": "none"},
        {"name": "calm", "chain": [{"use": "weight-watch"}]},
        {"name": "refusing", "chain": [NERVOUS]},
        {"name": "reporting", "chain": [{**NERVOUS, "on_alarm": "report"}]},
        {"name": "summed", "chain": [NERVOUS, {"use": "secure-aggregation"}]},
    ],
}


@pytest.mark.slow
def test_alarms_are_in_rows_and_report_and_in_nothing_of_the_server(tmp_path: Path) -> None:
    outcome = run(parse_campaign(TREE), tmp_path / "run")
    assert outcome.problems == ()
    rows = {(row.defense, row.round): row for row in read_federations(outcome.folder.federations)}
    for name, lost in (("refusing", True), ("reporting", False), ("summed", True)):
        assert [rows[name, round].alarms for round in (1, 2, 3)] == [0, 3, 3]
        assert [rows[name, round].lost for round in (1, 2, 3)] == [False, lost, lost]
        assert rows[name, 2].seen.startswith("weight-watch at 3 clients: the weights of")
    assert not any(rows[name, round].alarms for name in ("none", "calm") for round in (1, 2, 3))
    for name in ("calm", "reporting"):
        assert [rows[name, round].loss for round in (1, 2, 3)] == [rows["none", round].loss for round in (1, 2, 3)]
    assert rows["refusing", 3].loss == rows["refusing", 1].loss != rows["none", 3].loss
    told = {one.defense: one for one in alarms(outcome.analysis.federations)}
    assert {(name, one.clients, one.first, one.raised) for name, one in told.items()} == {
        (name, 3, 2, 2) for name in ("refusing", "reporting", "summed")
    }
    assert "What clients saw in the models they were sent" in outcome.folder.report.read_text(encoding="utf-8")
    assert {check.verdict for check in verify(outcome.folder.root)} <= {"agrees", "masked"}
    saw = outcome.folder.recordings("reporting")
    assert not any(b"changed more" in path.read_bytes() for path in saw.rglob("*") if path.is_file())

    again = run(parse_campaign(TREE), tmp_path / "run")
    assert read_federations(again.folder.federations) == read_federations(outcome.folder.federations)
