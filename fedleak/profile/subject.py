"""Subject of a profile: one message as the server saw it, and the truth where the defender has it."""

from dataclasses import dataclass
from pathlib import Path

from fedleak.contracts.observation import Observation
from fedleak.errors import RecordingError
from fedleak.evaluation.message import Message
from fedleak.learning.batch import Batch
from fedleak.learning.training import LocalTraining
from fedleak.recording.recording import Recording


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
    message = Message.at(path)
    recording = message.recording
    # A mean over the true examples is not what a step follows that divides by how many are expected.
    known = message.vault is not None and not recording.training.sampling_rate
    return Subject(
        title=_title(recording),
        observation=recording.observation(),
        truth=message.truth if known else None,
        training=message.training if known else recording.training,
    )


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
