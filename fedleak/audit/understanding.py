"""Understanding of one update: whether the training that was seen makes the reply, and what is known of it for sure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor

from fedleak.audit.mods import Mod
from fedleak.audit.replay import TOLERANCE, Matched, Unclear, clipped_to, difference, matched, replayed
from fedleak.audit.seen import State, Training

Verdict = Literal["understood", "understood but for noise", "masked", "not understood"]
UNLIKE = 0.1
"""Correlation with the change from which on what is left over is no noise."""


@dataclass(frozen=True, kw_only=True)
class Update:
    """What crossed the wire, and what was seen behind it."""

    client: int
    round: int
    sent: Mapping[str, Tensor]
    """Arrays by their names on the wire."""
    received: Mapping[str, Tensor]
    reported: Mapping[str, float]
    """Numbers in the reply."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """Strings in it, as they are shown."""
    training: Training
    mods: tuple[Mod, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Understanding:
    """The verdict on an update, and the two checks behind it."""

    verdict: Verdict
    reasons: tuple[str, ...] = ()
    """What was not understood, in sentences."""
    wire: Matched | None = None
    started_apart: float = float("nan")
    """The largest difference between the state sent and the state that training began with."""
    replay_apart: float = float("nan")
    """The largest difference between replay and reply, of the largest change."""
    clipping: float = 0.0
    """The norm that each step's gradient was clipped to; 0: it was not."""
    before: State = field(default_factory=dict)
    """What was sent, by the network's names."""
    after: State = field(default_factory=dict)
    """What came back, likewise."""
    noise: float = 0.0
    """Standard deviation of what is left over."""


def understood(update: Update) -> Understanding:
    """Compares the state that training began with, and a replay of what was seen, with what crossed the wire."""
    training = update.training
    if any(one.masks for one in update.mods):
        return Understanding(verdict="masked")
    try:
        if training.network is None:
            raise Unclear("no network was seen to train: none was called with gradients on")
        wire = matched(update.sent, training.start)
        before, after = _in_shape(wire, update.sent, training.start), _in_shape(wire, update.received, training.start)
        started = difference(before, training.start)
        known = Understanding(verdict="not understood", wire=wire, started_apart=started, before=before, after=after)
    except Unclear as error:
        return Understanding(verdict="not understood", reasons=(str(error),))
    if set(wire.names.values()) != set(training.start):
        kept = sorted(set(training.start) - set(wire.names.values()))
        return _but(known, f"'{kept[0]}' of the network is not in the message ({len(kept)} such arrays)")
    if started > 0:
        return _but(known, "training did not begin with the state that was sent: " + _first_apart(before, training))
    return _compared(update, known)


def _compared(update: Update, known: Understanding) -> Understanding:
    """The replay, without clipping and with it, beside the reply."""
    training, before, after = update.training, known.before, known.after
    change = max(difference(after, before), 1e-30)
    try:
        tried = [(0.0, replayed(training, before))]
        apart = difference(after, tried[0][1]) / change
        if apart > TOLERANCE and (limit := clipped_to(training)):
            tried.append((limit, replayed(training, before, limit)))
    except Unclear as error:
        return _but(known, str(error))
    limit, state = min(tried, key=lambda one: difference(after, one[1]))
    apart = difference(after, state) / change
    facts: dict[str, Any] = {"replay_apart": apart, "clipping": limit}
    if apart <= TOLERANCE:
        return replace(known, verdict="understood", **facts)
    return _noisy(update, known, tried[0][1], {"replay_apart": difference(after, tried[0][1]) / change})


def _noisy(update: Update, known: Understanding, state: State, facts: dict[str, Any]) -> Understanding:
    """Where something in the app adds noise: whether what is left over looks like it."""
    source = next((one for one in update.mods if one.noise), None)
    private = update.training.private
    by_optimizer = private is not None and private.noise_multiplier > 0
    made = update.training.start if source is None else source.clipped(known.before, state)
    if source is not None:
        state = made
    rest = _flat({name: known.after[name].double() - state[name].double() for name in known.after})
    change = _flat({name: state[name].double() - known.before[name].double() for name in known.after})
    facts["noise"] = float(rest.std())
    if source is None and not by_optimizer:
        return replace(
            known,
            reasons=(
                f"training that is replayed ends elsewhere than the reply ({facts['replay_apart']:.2g} of the largest "
                "change apart): something in it was not seen",
            ),
            **facts,
        )
    alike = float(torch.corrcoef(torch.stack([rest, change]))[0, 1]) if rest.std() > 0 and change.std() > 0 else 0.0
    if source is not None and abs(alike) > UNLIKE:
        return replace(
            known, reasons=(f"what is left over follows the change ({alike:.2f}), so it is no noise",), **facts
        )
    return replace(known, verdict="understood but for noise", **facts)


def _in_shape(wire: Matched, arrays: Mapping[str, Tensor], start: State) -> State:
    """Arrays by the network's names, in its shapes and types."""
    missing = next((name for name in wire.names if name not in arrays), None)
    if missing is not None:
        raise Unclear(f"'{missing}' was sent, and is not in the reply")
    return {name: value.reshape(start[name].shape).to(start[name].dtype) for name, value in wire.state(arrays).items()}


def _first_apart(before: State, training: Training) -> str:
    name = next(one for one, value in before.items() if not torch.equal(value, training.start[one]))
    return f"'{name}' was another"


def _flat(state: State) -> Tensor:
    """All floating-point entries in a row."""
    return torch.cat([value.flatten() for value in state.values() if value.is_floating_point()])


def _but(known: Understanding, reason: str) -> Understanding:
    return replace(known, reasons=(reason,))
