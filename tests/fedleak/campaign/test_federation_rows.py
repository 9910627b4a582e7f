"""Rows of federations: who sent nothing, and which rounds were lost for all."""

from fedleak.campaign.federation_job import Federated
from fedleak.campaign.federation_rows import federation_rows
from fedleak.errors import FederationError
from fedleak.experiment.grid import parse_campaign
from fedleak.federation.outcome import ClientFailure, lost_round
from fedleak.results.seen import Seen, seen_in
from fedleak.vault.alarms import RaisedAlarm


def test_a_round_that_was_lost_for_all_is_no_failure_of_a_client_alone() -> None:
    point = parse_campaign({"name": "n", "task": "digits-mlp", "federation": {"clients": 3, "rounds": 3}}).points[0]
    left = ClientFailure(client=1, round=1, reason="Dropout: it left", user_error=False, planned=True)
    lost = lost_round(2, FederationError("too few stayed"), planned=True)
    rows = federation_rows(point, "summed", Federated(messages={}, failures=[left, lost], seconds=1.0, evaluation={}))
    assert [row.lost for row in rows] == [False, True, False]
    assert [row.failures for row in rows] == [1, 0, 0]


def test_a_round_that_all_clients_refuse_is_lost() -> None:
    point = parse_campaign({"name": "n", "task": "digits-mlp", "federation": {"clients": 2, "rounds": 2}}).points[0]
    refused = [
        ClientFailure(client=client, round=round, reason="ModelRefused: no", user_error=False, planned=True)
        for client, round in ((0, 1), (0, 2), (1, 2))
    ]
    rows = federation_rows(point, "watched", Federated(messages={}, failures=refused, seconds=1.0, evaluation={}))
    assert [row.lost for row in rows] == [False, True]


def test_alarms_are_counted_by_client_and_told_by_check() -> None:
    point = parse_campaign({"name": "n", "task": "digits-mlp", "federation": {"clients": 3, "rounds": 2}}).points[0]
    raised = [("weight-watch", 0), ("d-snr", 0), ("weight-watch", 2)]
    alarms = tuple(
        RaisedAlarm(client=client, round=2, defense=check, sentence=f"{check} of client {client}", refused=True)
        for check, client in raised
    )
    nothing = Federated(messages={}, failures=[], seconds=1.0, evaluation={}, alarms=alarms)
    first, second = federation_rows(point, "watched", nothing)
    assert (first.alarms, first.seen) == (0, "")
    assert second.alarms == 2
    assert list(seen_in(second.seen)) == [
        Seen("weight-watch", 2, "weight-watch of client 0"),
        Seen("d-snr", 1, "d-snr of client 0"),
    ]
