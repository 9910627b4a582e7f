"""What a client of Flower's own protocol refuses."""

from pathlib import Path

import pytest
from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.common.secure_aggregation.secaggplus_constants import RECORD_KEY_CONFIGS, Key, Stage

from fedleak.clients.app import app
from fedleak.federation import wire
from fedleak.federation.loopback import RUN_ID
from fedleak.federation.plan import FederationPlan
from fedleak.server.roster import greeting
from fedleak.settings.base import parse_settings


@pytest.fixture
def context(tmp_path: Path) -> Context:
    tree = {"task": "digits-mlp", "recordings": str(tmp_path / "r"), "vault": str(tmp_path / "v")}
    chain = [{"use": "secure-aggregation-flower"}]
    plan = parse_settings(FederationPlan, {**tree, "chain": chain, "federation": {"clients": 3}})
    place = {"partition-id": 0, "num-partitions": 3}
    return Context(RUN_ID, 1, place, RecordDict(), plan.to_run_config())  # type: ignore[arg-type]


def refusal(context: Context, **record: str) -> str:
    content = RecordDict({wire.CONFIG: greeting(**{wire.ROUND: 1})})
    if record:
        content[RECORD_KEY_CONFIGS] = ConfigRecord(dict(record))
    return str(app(Message(content, 1, "train"), context).error.reason)


def test_training_beside_the_protocol_is_refused(context: Context) -> None:
    assert "expected a message of Flower's SecAgg+" in refusal(context)


def test_a_stage_that_is_none_is_refused(context: Context) -> None:
    assert "expected a stage of Flower's SecAgg+" in refusal(context, **{Key.STAGE: "tea"})


def test_a_stage_out_of_turn_is_refused_by_the_mod(context: Context) -> None:
    assert "expect setup stage" in refusal(context, **{Key.STAGE: Stage.COLLECT_MASKED_VECTORS})
