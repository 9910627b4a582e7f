"""What the recorder keeps of a client that sends something else than its masked vector."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, Message

from fedleak.federation import engine, wire
from fedleak.federation.engine import run_federation
from fedleak.federation.loopback import LoopbackGrid
from fedleak.federation.plan import FederationPlan
from fedleak.recording.files import read_recording
from fedleak.recording.recording import Recording
from fedleak.settings.base import parse_settings

Spoil = Callable[[np.ndarray], np.ndarray]
NARROW = {"ring_bits": 32, "max_value": 1.0}


def recorded(folder: Path, monkeypatch: pytest.MonkeyPatch, ring: dict[str, Any], spoil: Spoil) -> list[Recording]:
    """The recordings of a round in which the second of four clients sends another vector."""

    class Spoilt(LoopbackGrid):
        def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
            for reply in super().send_and_receive(messages, timeout=timeout):
                vector = None if reply.has_error() else wire.answer_of(reply.content)
                if isinstance(vector, np.ndarray) and reply.metadata.src_node_id == 2:
                    reply.content["arrays"] = ArrayRecord({wire.MASKED: Array(spoil(vector))})
                yield reply

    monkeypatch.setattr(engine, "LoopbackGrid", Spoilt)
    tree = {"task": "digits-mlp", "recordings": str(folder / "r"), "vault": str(folder / "v")}
    chain = [{"use": "secure-aggregation", "threshold": 3, **ring}]
    report = run_federation(parse_settings(FederationPlan, {**tree, "chain": chain, "federation": {"clients": 4}}))
    return [read_recording(path) for path in report.recordings]


@pytest.mark.slow
@pytest.mark.parametrize("ring", [{}, NARROW], ids=["64", "32"])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda vector: vector[:10].copy(),
        lambda vector: np.concatenate([vector, vector[:1]]),
        lambda vector: vector.reshape(1, -1).copy(),
        lambda vector: vector.astype(np.uint32 if vector.itemsize == 8 else np.uint64),
        lambda vector: vector.astype(np.float64),
    ],
    ids=["short", "long", "another shape", "another ring", "no ring"],
)
def test_what_is_no_masked_vector_of_the_round_is_not_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ring: dict[str, Any], spoil: Spoil
) -> None:
    found = recorded(tmp_path, monkeypatch, ring, spoil)
    assert [(one.kind, one.cohort) for one in found] == [
        *(("masked", (client,)) for client in (0, 2, 3)),
        ("aggregate", (0, 2, 3)),
    ]


def test_noise_of_the_right_length_is_recorded_as_it_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server cannot tell it from a masked vector."""
    found = recorded(tmp_path, monkeypatch, {}, lambda vector: np.concatenate([vector[:-1] + 1, vector[-1:]]))
    assert [one.cohort for one in found if one.kind == "masked"] == [(0,), (1,), (2,), (3,)]
