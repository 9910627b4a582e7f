"""Rows of federations: who sent nothing, and which rounds were lost for all."""

from fedleak.campaign.federation_job import Federated
from fedleak.campaign.federation_rows import federation_rows
from fedleak.errors import FederationError
from fedleak.experiment.grid import parse_campaign
from fedleak.federation.outcome import ClientFailure, lost_round


def test_a_round_that_was_lost_for_all_is_no_failure_of_a_client_alone() -> None:
    point = parse_campaign({"name": "n", "task": "digits-mlp", "federation": {"clients": 3, "rounds": 3}}).points[0]
    left = ClientFailure(client=1, round=1, reason="Dropout: it left", user_error=False, planned=True)
    lost = lost_round(2, FederationError("too few stayed"), planned=True)
    rows = federation_rows(point, "summed", Federated(messages={}, failures=[left, lost], seconds=1.0, evaluation={}))
    assert [row.lost for row in rows] == [False, True, False]
    assert [row.failures for row in rows] == [1, 0, 0]
