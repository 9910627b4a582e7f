"""Alarms in the report: counted over rounds and seeds, the first told."""

import dataclasses

from fedleak.report.alarms import alarms
from fedleak.results.federation_row import FederationRow
from fedleak.results.seen import Seen, seen_text

ROW = FederationRow(
    task="digits-mlp",
    defense="watched",
    seed=0,
    split="test",
    round=1,
    messages=4,
    failures=0,
    accuracy=0.5,
    loss=1.0,
    seconds=1.0,
    federation="",
    setting={},
)


def row(round: int, seed: int = 0, **seen: int) -> FederationRow:
    text = seen_text(Seen(check.replace("_", "-"), clients, f"round {round}") for check, clients in seen.items())
    return dataclasses.replace(ROW, round=round, seed=seed, seen=text, alarms=max(seen.values(), default=0))


def test_each_check_is_told_once_with_the_first_that_it_saw() -> None:
    rows = [row(3, weight_watch=2), row(2, weight_watch=4, d_snr=1), row(1), row(1, seed=1, d_snr=3)]
    found = {one.check: one for one in alarms(rows)}
    weights, ratio = found["weight-watch"], found["d-snr"]
    assert (weights.clients, weights.first, weights.raised, weights.rounds, weights.words) == (4, 2, 2, 4, "round 2")
    assert (ratio.clients, ratio.first, ratio.raised, ratio.words) == (3, 1, 2, "round 1")
    assert "4 clients from round 2 on, in 2 of 4 rounds" in weights.sentence


def test_rows_are_told_apart_by_defense_and_tuning_is_passed_over() -> None:
    other = dataclasses.replace(row(1, d_snr=1), defense="other")
    tuning = dataclasses.replace(row(1, d_snr=1), split="tuning")
    assert [one.defense for one in alarms([row(1, d_snr=1), other])] == ["watched", "other"]
    assert list(alarms([row(1), tuning])) == []
