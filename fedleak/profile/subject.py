"""The message that is profiled: what the server saw, and the truth where the defender has it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedleak.contracts.observation import Observation
from fedleak.errors import RecordingError
from fedleak.evaluation.message import Message
from fedleak.learning.batch import Batch
from fedleak.learning.training import LocalTraining, Mode
from fedleak.recording import Recording

SUFFIXES = (".json", ".safetensors")
"""Of the two files of a recording."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One message. Without the truth only what the update itself tells can be profiled."""

    title: str
    observation: Observation
    truth: Batch | None
    training: LocalTraining
    """How the client really trained where the vault says so, else what the adversary knows of it."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the update of a task is made."""

    batch_size: int = 1
    seed: int = 0
    learning_rate: float = 0.1
    mode: Mode = "train"
    checkpoint: Path | None = None
    trained_rounds: int = 0
    noise: float = 0.0
    """Standard deviation of the Gaussian noise that the client adds to each weight that it sends."""


def subject_named(what: str, settings: Settings) -> Subject:
    """The recording at a path, else an update of the task of that name, made now."""
    path = Path(what)
    return recorded(path) if path.is_file() or path.suffix in SUFFIXES else local_update(what, settings)


def local_update(task: str, settings: Settings) -> Subject:
    """The first client's update in a federation of four on the task's data, as `fedleak run` would record it.

    Raises what an experiment file would be refused for.
    """
    from fedleak.api import capture  # Flower takes a while to import, and a recording needs none

    model: dict[str, Any] = {"trained_rounds": settings.trained_rounds}
    model |= {"checkpoint": str(settings.checkpoint)} if settings.checkpoint is not None else {}
    captured = capture(
        task,
        defense=[{"use": "gaussian-noise", "std": settings.noise}] if settings.noise else [],
        seed=settings.seed,
        model=model,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        mode=settings.mode,
    )[0]
    noise = f", noise of std {settings.noise:g}" if settings.noise else ""
    return Subject(
        title=f"{task}, {_weights(settings)}, batch of {settings.batch_size}, client 0 of seed {settings.seed}{noise}",
        observation=captured.observation,
        truth=captured.truth,
        training=captured.observation.training,
    )


def recorded(path: Path) -> Subject:
    """A recording, with the truth where its run's vault lies beside it. Raises `RecordingError`."""
    message = Message.at(path)
    recording, known = message.recording, message.vault is not None
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


def _weights(settings: Settings) -> str:
    own = "untrained weights" if settings.checkpoint is None else f"weights of {settings.checkpoint.name}"
    if not settings.trained_rounds:
        return own
    rounds = f"{settings.trained_rounds} round{'s' * (settings.trained_rounds > 1)} of training"
    return rounds if settings.checkpoint is None else f"{own} and {rounds}"


def _title(recording: Recording) -> str:
    who = "the aggregate" if recording.kind == "aggregate" else f"client {recording.cohort[0]}"
    return f"{recording.task.name}, {who} in round {recording.round}, defense {recording.defense}"
