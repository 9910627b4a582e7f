"""What a round costs a client, in bytes, seconds and memory."""

import logging
from collections.abc import Iterable
from math import isnan
from pathlib import Path
from typing import Any

import pytest
import torch
from flwr.app import ConfigRecord, Message, MessageType, MetricRecord

from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import defenses
from fedleak.federation import engine, wire
from fedleak.federation.engine import run_federation
from fedleak.federation.loopback import LoopbackGrid
from fedleak.federation.outcome import Cost
from fedleak.federation.plan import FederationPlan
from fedleak.learning.update import Update, UpdateKind
from fedleak.recording.files import read_recording
from fedleak.settings.base import parse_settings
from fedleak.tasks import task_of, weights_of

ENTRIES = sum(value.numel() for value in weights_of(task_of("digits-mlp").network).parameters.values())


def costs(folder: Path, *chain: dict[str, Any], **changes: Any) -> dict[int, Cost]:
    tree = {"task": "digits-mlp", "recordings": str(folder / "r"), "vault": str(folder / "v"), "chain": list(chain)}
    report = run_federation(parse_settings(FederationPlan, {**tree, "federation": {"clients": 3}, **changes}))
    return dict(report.costs)


def test_every_recorded_round_has_its_cost_and_no_other(tmp_path: Path) -> None:
    found = costs(tmp_path, model={"trained_rounds": 2}, federation={"clients": 3, "rounds": 2}, utility={"rounds": 1})
    assert list(found) == [1, 2]
    assert len({(cost.bytes_received, cost.bytes_sent, cost.bytes_encoded) for cost in found.values()}) == 1
    assert all(cost.client_seconds > 0 for cost in found.values())
    assert all(cost.client_memory >= 0 or isnan(cost.client_memory) for cost in found.values())


def test_arrays_are_nearly_all_of_what_is_sent(tmp_path: Path) -> None:
    (cost,) = costs(tmp_path).values()
    assert cost.bytes_encoded == 4 * ENTRIES
    assert 4 * ENTRIES < cost.bytes_sent < 4 * ENTRIES + 1000
    assert 4 * ENTRIES < cost.bytes_received < 4 * ENTRIES + 1000


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"use": "top-k", "fraction": 0.1}, 8 * -(-ENTRIES // 10)),
        ({"use": "secure-aggregation"}, 8 * (ENTRIES + 1)),
        ({"use": "clipping", "max_norm": 1.0}, 4 * ENTRIES),
    ],
)
def test_the_encoding_of_a_defense_counts(tmp_path: Path, table: dict[str, Any], expected: int) -> None:
    (cost,) = costs(tmp_path, table).values()
    assert cost.bytes_encoded == pytest.approx(expected, rel=1e-3)


def test_ring_elements_take_twice_the_bytes_of_floats(tmp_path: Path) -> None:
    (clear,), (masked,) = (costs(tmp_path / str(i), *chain).values() for i, chain in
                           enumerate([[], [{"use": "secure-aggregation"}]]))  # fmt: skip
    assert masked.bytes_sent == pytest.approx(2 * clear.bytes_sent, rel=0.02)


def test_clients_that_are_not_asked_cost_nothing(tmp_path: Path) -> None:
    (some,) = costs(tmp_path / "a", federation={"clients": 4, "strategy_options": {"fraction_train": 0.5}}).values()
    (all_of_them,) = costs(tmp_path / "b", federation={"clients": 4}).values()
    assert some.bytes_sent == all_of_them.bytes_sent


def test_the_adversary_is_not_told_how_long_a_client_took(tmp_path: Path) -> None:
    costs(tmp_path)
    recording = read_recording(tmp_path / "r" / "round-0001" / "client-0000.json")
    assert set(recording.metrics) == {"train_loss"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "junk",
    [
        ConfigRecord({"seconds": "abc", "memory": 1.0}),
        ConfigRecord({"seconds": [1.0], "memory": [2.0]}),
        ConfigRecord({"seconds": float("inf"), "memory": 1.0}),
        ConfigRecord({"x": 1}),
        ConfigRecord(),
        MetricRecord({"seconds": 1.0, "memory": 1.0}),
    ],
    ids=["text", "lists", "endless", "other keys", "empty", "another record"],
)
@pytest.mark.parametrize("chain", [[], [{"use": "secure-aggregation"}]], ids=["clear", "masked"])
def test_a_cost_that_cannot_be_read_is_one_warning_and_missing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    junk: ConfigRecord | MetricRecord,
    chain: list[dict[str, Any]],
) -> None:
    class Junk(LoopbackGrid):
        def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
            for reply in super().send_and_receive(messages, timeout=timeout):
                if reply.metadata.message_type == MessageType.TRAIN and reply.metadata.src_node_id == 2:
                    reply.content[wire.COST] = junk.copy()
                yield reply

    honest = costs(tmp_path / "honest", *chain)[1]
    monkeypatch.setattr(engine, "LoopbackGrid", Junk)
    with caplog.at_level(logging.WARNING):
        found = costs(tmp_path / "junk", *chain)[1]
    assert [record.getMessage() for record in caplog.records if record.name.endswith("meter")] == [
        "round 1: what node 2 says that the round cost it cannot be read; left out"
    ]
    assert found.bytes_encoded == honest.bytes_encoded
    assert found.client_seconds > 0


def update_of(*sizes: int) -> Update:
    return Update({str(size): torch.ones(size) for size in sizes}, UpdateKind.DELTA)


def test_fewer_levels_take_fewer_bits() -> None:
    update = update_of(1024)
    sizes = [defenses.build("qsgd", {"levels": levels, "bucket": 512}).encoded_bytes(update) for levels in (1, 3, 127)]
    assert sizes == [1024 * 2 // 8 + 8, 1024 * 3 // 8 + 8, 1024 + 8]


def test_a_sign_is_a_bit() -> None:
    assert defenses.build("sign-sgd", {}).encoded_bytes(update_of(80, 9)) == 10 + 4 + 2 + 4


def test_what_comes_after_an_encoding_spoils_it() -> None:
    sparse = {"use": "top-k", "fraction": 0.1}
    noise = {"use": "gaussian-noise", "std": 0.1}
    update = Update({"a": torch.eye(10)}, UpdateKind.DELTA)
    assert Chain.build((noise, sparse)).encoded_bytes(update) == 80
    assert Chain.build((sparse, noise)).encoded_bytes(update) == 400
    assert Chain().encoded_bytes(update) == 400
