"""The message that is profiled: what the server saw, and the truth where the defender has it."""

from dataclasses import dataclass
from pathlib import Path

from fedleak.contracts.observation import Observation
from fedleak.errors import RecordingError
from fedleak.learning.batch import Batch
from fedleak.learning.training import LocalTraining
from fedleak.recording import Recording, read_recording
from fedleak.runs.folder import vault_beside
from fedleak.vault import truth_of, withdraw


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One message. Without the truth only what the update itself tells can be profiled."""

    title: str
    observation: Observation
    truth: Batch | None
    training: LocalTraining
    """How the client really trained where the vault says so, else what the adversary knows of it."""


def recorded(path: Path) -> Subject:
    """A recording, with the truth where its run's vault lies beside it. Raises `RecordingError`."""
    recording = read_recording(path)
    vault = vault_beside(path)
    truth, training = None, recording.training
    if vault is not None:
        truth = truth_of(vault, recording.round, recording.cohort)
        training = withdraw(vault, recording.round, recording.cohort[0]).training
    return Subject(title=_title(recording), observation=recording.observation(), truth=truth, training=training)


def require_open(subject: Subject) -> None:
    """Raises `RecordingError` where the update is still under masks: it is random, and has nothing to profile."""
    if subject.observation.masked:
        raise RecordingError(
            f"{subject.title}: the update is masked by secure aggregation, so it is uniformly random to the server; "
            "profile the aggregate beside it"
        )


def _title(recording: Recording) -> str:
    who = "the aggregate" if recording.kind == "aggregate" else f"client {recording.cohort[0]}"
    return f"{recording.task.name}, {who} in round {recording.round}, defense {recording.defense}"
