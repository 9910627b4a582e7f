"""Causes of a mismatch between replay and recording: alternatives are tried until one agrees."""

from collections.abc import Callable, Iterator
from dataclasses import fields, replace

import torch
from torch import nn

from fedleak.contracts.chain import Chain
from fedleak.learning.training import LocalTraining
from fedleak.recording.recording import Recording
from fedleak.vault.batches import PrivateBatch
from fedleak.verification.replay import compare, delta, replay

STEPS = range(1, 11)
"""Numbers of local epochs that are tried."""
Cause = Callable[[Recording, PrivateBatch], str | None]


def likely_cause(recording: Recording, truth: PrivateBatch) -> str:
    """The first alternative that explains the recorded update, in words."""
    if recording.num_examples not in (None, truth.reported):
        return f"the recording counts {recording.num_examples} examples, the vault holds {truth.reported}"
    causes: tuple[Cause, ...] = (_declared, _mode, _undefended, _rate, _epochs, _dropout)
    found = (cause(recording, truth) for cause in causes)
    return next((words for words in found if words), "no replay explains it: the recording or the truth was altered")


def remark(recording: Recording, truth: PrivateBatch) -> str:
    """What to know about an update that agrees."""
    notes = []
    unknown = recording.training.unknown()
    if unknown:
        notes.append(f"unknown to the adversary, taken from the vault: {', '.join(unknown)}")
    if _drops_out(recording.task.network) and _training(recording, truth).mode == "train":
        notes.append("dropout is active: an attack that ignores the client's dice cannot match it exactly")
    if len(truth.examples) > (truth.training.batch_size or 1):
        notes.append("several batches: an attack has to guess their order")
    return "; ".join(notes)


def _training(recording: Recording, truth: PrivateBatch) -> LocalTraining:
    return recording.training.known_or(truth.training)


def _declared(recording: Recording, truth: PrivateBatch) -> str | None:
    """The vault says that the client trained in another way than the recording declares."""
    declared = _training(recording, truth)
    other = [f.name for f in fields(declared) if getattr(declared, f.name) != getattr(truth.training, f.name)]
    if not other or not compare(recording, replay(recording, truth, training=truth.training)).agrees:
        return None
    differences = [f"{name} = {getattr(truth.training, name)}, not {getattr(declared, name)}" for name in other]
    return f"the client trained with {', '.join(differences)} as declared"


def _mode(recording: Recording, truth: PrivateBatch) -> str | None:
    declared = _training(recording, truth)
    other = replace(declared, mode="eval" if declared.mode == "train" else "train")
    if not compare(recording, replay(recording, truth, training=other)).agrees:
        return None
    return f"the client trained in {other.mode} mode, not in {declared.mode} mode as declared (BatchNorm, dropout)"


def _undefended(recording: Recording, truth: PrivateBatch) -> str | None:
    if not recording.chain or not compare(recording, replay(recording, truth, chain=Chain())).agrees:
        return None
    return f"the defense '{recording.defense}' was not applied"


def _rate(recording: Recording, truth: PrivateBatch) -> str | None:
    """The update is a multiple of the replayed one."""
    before = recording.before.parameters
    recorded = delta(recording.state, before)
    ours = delta(replay(recording, truth).parameters, before)
    factor = float(recorded @ ours / (ours @ ours).clamp(min=torch.finfo(ours.dtype).tiny))
    declared = _training(recording, truth)
    other = replace(declared, learning_rate=(declared.learning_rate or 1.0) * factor)
    if factor <= 0 or not compare(recording, replay(recording, truth, training=other)).agrees:
        return None
    return f"the learning rate was about {other.learning_rate:.4g}, not {declared.learning_rate:.4g} as declared"


def _epochs(recording: Recording, truth: PrivateBatch) -> str | None:
    declared = _training(recording, truth)
    for epochs in STEPS:
        other = replace(declared, epochs=epochs)
        if epochs != declared.epochs and compare(recording, replay(recording, truth, training=other)).agrees:
            return f"the client trained for {epochs} epochs, not {declared.epochs} as declared"
    return None


def _dropout(recording: Recording, truth: PrivateBatch) -> str | None:
    """Other dropout masks make another update; which ones they were cannot be found: this is what is left."""
    if not _drops_out(recording.task.network) or _training(recording, truth).mode != "train":
        return None
    return "possibly dropout: it is active, and nothing else that was tried explains the update"


def _drops_out(network: nn.Module) -> bool:
    return any(layer.p > 0 for layer in _dropouts(network))


def _dropouts(network: nn.Module) -> Iterator[nn.Dropout]:
    return (layer for layer in network.modules() if isinstance(layer, nn.modules.dropout._DropoutNd))  # type: ignore[misc]
