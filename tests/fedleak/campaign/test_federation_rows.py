"""Rows of federations: who sent nothing, and which rounds were lost for all."""

import pytest

from fedleak.campaign.federation_job import Federated
from fedleak.campaign.federation_rows import check_rows, federation_rows
from fedleak.errors import FederationError
from fedleak.experiment.grid import parse_campaign
from fedleak.federation.outcome import ClientFailure, lost_round
from fedleak.results.seen import Seen, seen_in
from fedleak.settings.base import Table
from fedleak.vault.alarms import RaisedAlarm
from fedleak.vault.model_figures import ModelFigures


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
    assert [row.refused for row in rows] == [1, 2]


def test_who_leaves_as_planned_has_refused_nothing_whatever_checks_reported() -> None:
    point = parse_campaign({"name": "n", "task": "digits-mlp", "federation": {"clients": 3}}).points[0]
    left = [
        ClientFailure(client=client, round=1, reason="Dropout: it left", user_error=False, planned=True)
        for client in (0, 1)
    ]
    lost = [*left, lost_round(1, FederationError("too few stayed"), planned=True)]
    alarm = RaisedAlarm(client=2, round=1, defense="weight-watch", sentence="rows are alike", refused=False)
    told = Federated(messages={}, failures=lost, seconds=1.0, evaluation={}, alarms=(alarm,))
    (row,) = federation_rows(point, "watched", told)
    assert (row.lost, row.alarms, row.refused, row.failures) == (True, 1, 0, 2)


def test_who_refused_a_lie_is_told_from_who_left_as_planned() -> None:
    server = {"name": "liar", "begins": 2, "chain": [{"use": "asks-twice"}]}
    tree = {"name": "n", "task": "digits-mlp", "federation": {"clients": 4, "rounds": 3}, "server": server,
            "defenses": [{"name": "sum", "chain": [{"use": "secure-aggregation"}]}]}  # fmt: skip
    reasons = ["FederationError: it has answered", "Dropout: it left", "ModelRefused: rows are alike", "KeyError: x"]
    failed = [
        ClientFailure(client=client, round=round, reason=reason, user_error=False, planned=client < 3)
        for client, reason in enumerate(reasons)
        for round in (1, 2)
    ]
    for told, counts in ((server, [0, 1, 0]), ({}, [0, 0, 0])):
        point = parse_campaign({**tree, "server": told}).points[0]
        rows = federation_rows(point, "sum", Federated(messages={}, failures=failed, seconds=1.0, evaluation={}))
        assert [row.disbelieved for row in rows] == counts


@pytest.mark.parametrize(
    ("chain", "begins", "rounds"),
    [
        ([], 1, [False, False, False]),
        ([{"use": "inconsistency"}], 1, [True, True, False]),
        ([{"use": "inconsistency"}], 2, [False, True, False]),
        ([{"use": "imprint", "bins": 8}], 2, [True, True, False]),
    ],
    ids=["honest", "crafted", "later", "shipped"],
)
def test_rounds_in_which_the_server_did_more_than_average(chain: list[Table], begins: int, rounds: list[bool]) -> None:
    server = {"server": {"name": "one", "chain": chain, "begins": begins}} if chain else {}
    tree = {"name": "n", "task": "digits-mlp", "federation": {"clients": 3, "rounds": 2}, "utility": {"rounds": 1}}
    point = parse_campaign({**tree, **server}).points[0]
    rows = federation_rows(point, "none", Federated(messages={}, failures=[], seconds=1.0, evaluation={}))
    assert [row.manipulated for row in rows] == rounds


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


def test_of_a_seed_that_sets_thresholds_one_client_s_figures_of_each_round_are_kept_and_no_other_row() -> None:
    points = parse_campaign({
        "name": "n", "task": "digits-mlp", "federation": {"clients": 3, "rounds": 2}, "calibration": {"seeds": 1},
        "defenses": [{"name": "watched", "chain": [{"use": "weight-watch"}]}],
    }).points  # fmt: skip
    figures = tuple(
        ModelFigures(client=client, round=round, defense="weight-watch", statistics={"scale": 1.0}, seconds=0.1)
        for round in (1, 2)
        for client in (2, 1)
    )
    left = Federated(messages={}, failures=[], seconds=1.0, evaluation={}, figures=figures)
    reported, calibrating = ([(row.round, row.client) for row in check_rows(one, "watched", left)] for one in points)
    assert reported == [(1, 2), (1, 1), (2, 2), (2, 1)]
    assert calibrating == [(1, 1), (2, 1)]
    assert [len(federation_rows(one, "watched", left)) for one in points] == [2, 0]
