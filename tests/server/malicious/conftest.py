"""Federations under a server that lies, and what its victim really sent."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fedleak.clients.history import History
from fedleak.clients.masking import Seat
from fedleak.defenses.secure_aggregation_flower import flower_masking_of
from fedleak.federation.engine import run_federation
from fedleak.federation.outcome import FederationReport
from fedleak.federation.plan import FederationPlan
from fedleak.federation.reply import reply
from fedleak.learning.weights import NamedTensors
from fedleak.recording.files import read_recording
from fedleak.recording.recording import Recording
from fedleak.secure_aggregation.client import Client
from fedleak.secure_aggregation.state import State
from fedleak.settings.base import parse_settings
from fedleak.vault.batches import withdraw

VICTIM = 1


@dataclass(frozen=True)
class Lied:
    """A federation of four clients that is over."""

    folder: Path
    report: FederationReport

    @property
    def recordings(self) -> list[Recording]:
        return [read_recording(path) for path in self.report.recordings]

    def kinds(self, round: int = 1) -> dict[Any, str]:
        """What was recorded of a round, by client or sum."""
        own = [one for one in self.recordings if one.round == round]
        return {"sum" if one.kind == "aggregate" else one.cohort[0]: one.kind for one in own}

    @property
    def loot(self) -> list[Recording]:
        """What the server has of clients in the clear."""
        return [one for one in self.recordings if one.kind == "weights"]

    @property
    def reasons(self) -> dict[int | None, str]:
        """Why clients failed in the first round, or it was lost."""
        assert all(one.planned for one in self.report.failures)
        return {one.client: one.reason for one in self.report.failures if one.round == 1}

    def true_state(self, recording: Recording) -> NamedTensors:
        """What the client of a recording sent, beneath its masks."""
        truth = withdraw(self.folder / "vault" / "d", recording.round, *recording.cohort)
        of_client = recording.task, recording.before, truth.examples, truth.training, recording.chain, truth.seed_key
        return reply(*of_client).weights.state_dict()

    def error(self, recording: Recording) -> float:
        """How far an entry of the loot is from what the client sent, at most, over its largest change."""
        true, before = self.true_state(recording), recording.before.state_dict()
        return self._farthest(recording, true) / max(_distance(true[name], before[name]) for name in true)

    def steps(self, recording: Recording) -> float:
        """The same in steps of Flower's grid."""
        defense = flower_masking_of(recording.chain)
        assert defense is not None
        step = defense.step / defense.weight(recording.num_examples or 0)
        return self._farthest(recording, self.true_state(recording)) / step

    @staticmethod
    def _farthest(recording: Recording, true: NamedTensors) -> float:
        state = recording.state
        return max(_distance(state[name], value) for name, value in true.items())


def _distance(one: Any, other: Any) -> float:
    return float((one.double() - other.double()).abs().max())


@pytest.fixture
def lied(tmp_path: Path) -> Callable[..., Lied]:
    def federation(name: str, chain: list[Any], *, begins: int = 1, victim: int = VICTIM, **settings: Any) -> Lied:
        plan = {
            "task": "digits-mlp",
            "recordings": str(tmp_path / "recordings" / "d"),
            "vault": str(tmp_path / "vault" / "d"),
            "federation": {"clients": 4, "batch_size": 4, **settings},
            "chain": chain,
            "server": {"name": name, "chain": [{"use": name, "victim": victim}], "begins": begins},
        }
        return Lied(tmp_path, run_federation(parse_settings(FederationPlan, plan)))

    return federation


@pytest.fixture
def believing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that do not remember which rounds they answered."""

    def admitting(self: History, *_: Any, **__: Any) -> History:
        return History()

    monkeypatch.setattr(History, "admitting", admitting)


@pytest.fixture
def beginning_anew(monkeypatch: pytest.MonkeyPatch, believing: None) -> None:
    """The same, that begin a round of secure aggregation again whenever they are asked for keys."""
    honest = Seat.answer

    def answer(self: Seat, stage: str, question: object, context: Any) -> Any:
        seat = Seat(self.client, self.defense, Client.begin(self.protocol.member)) if stage == "advertise" else self
        return honest(seat, stage, question, context)

    monkeypatch.setattr(Seat, "answer", answer)


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that do not know what they answered in a round of secure aggregation."""

    def answer(self: State, stage: str, content: bytes, client: int) -> bytes | None:
        return None

    monkeypatch.setattr(State, "answer", answer)
