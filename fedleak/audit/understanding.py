"""Understanding of one update: whether the training that was seen makes the reply, and what is known of it for sure."""

import math
import traceback
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from fedleak.audit.gradients import Fit, Pull, like_noise
from fedleak.audit.mods import Mod
from fedleak.audit.replay import NO_NETWORK, NO_PULL, TOLERANCE, Matched, difference, matched, replayed
from fedleak.audit.seen import State, Training
from fedleak.audit.troubles import Unclear
from fedleak.errors import first_line

Verdict = Literal["understood", "understood but for noise", "understood but for the loss", "masked", "not understood"]
UNLIKE = 0.1
"""Correlation with the change from which on what is left over is no noise."""
LOSS = "the losses that were seen are not all that was trained on: the gradient at the network's output explains more"


@dataclass(frozen=True, kw_only=True)
class Update:
    """What crossed the wire, and what was seen behind it."""

    client: int
    round: int
    sent: Mapping[str, Tensor]
    """Arrays by their names on the wire."""
    received: Mapping[str, Tensor]
    more: tuple[str, ...] = ()
    """Records of arrays that the reply has besides."""
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
    """The largest difference between replay and reply, of the largest change; see `apart_of`."""
    pull: Pull = NO_PULL
    """A term of the weights that the loss has besides."""
    before: State = field(default_factory=dict)
    """What was sent, by the network's names."""
    after: State = field(default_factory=dict)
    """What came back, likewise."""
    kept: tuple[str, ...] = ()
    """Arrays of the network that are in no message: they stay with the client."""
    noise: float = 0.0
    """Standard deviation of what is left over; of Opacus' noise, in the gradient of a step."""


def understood(update: Update) -> Understanding:
    """Compares the state that training began with, and a replay of what was seen, with what crossed the wire.

    What nobody thought of is not understood either, and is no failure of the client.
    """
    try:
        return _understood(update)
    except Exception as error:  # noqa: BLE001  networks and optimizers of anybody's
        traceback.print_exc()
        return failed(error)


def failed(error: Exception) -> Understanding:
    """Of an update that fedleak itself failed on."""
    words = f"fedleak failed here: {type(error).__name__}: {first_line(error)}"
    return Understanding(verdict="not understood", reasons=(words,))


def _understood(update: Update) -> Understanding:
    training = update.training
    if any(one.masks for one in update.mods):
        return Understanding(verdict="masked")
    try:
        if training.broken:
            raise Unclear(f"fedleak failed here: {training.broken}")
        if training.functional:
            raise Unclear("its gradients are those of torch.func, which show at no hook")
        if training.network is None:
            raise Unclear(NO_NETWORK)
        wire = matched(update.sent, training.start, training.network)
        before, after = _in_shape(wire, update.sent, training.start), _in_shape(wire, update.received, training.start)
        started = difference(before, training.start)
        kept = tuple(sorted(set(training.start) - set(before)))
        known = Understanding(
            verdict="not understood", wire=wire, started_apart=started, before=before, after=after, kept=kept
        )
        besides = [*update.more, *sorted(set(update.received) - set(update.sent))]
        if besides:
            raise Unclear(f"the reply has arrays besides those that were sent, which nothing explains: '{besides[0]}'")
        if not any(value.numel() for value in before.values()):
            raise Unclear("nothing of the network that was seen is in the message")
    except Unclear as error:
        several = f"; also trained: {', '.join(sorted(set(training.others)))}" if training.others else ""
        return Understanding(verdict="not understood", reasons=(str(error) + several,))
    if started > 0:
        return _but(known, "training did not begin with the state that was sent: " + _first_apart(before, training))
    return _compared(update, known)


def _compared(update: Update, known: Understanding) -> Understanding:
    """Replays beside the reply: by the losses, with a pull of the weights besides, by what came back to the output."""
    training, before = update.training, known.before
    noise = 0.0 if training.private is None else training.private.noise
    state: State | None = None
    try:
        state = replayed(training, before)
        apart = apart_of(known, state, training)
        if apart <= TOLERANCE:
            verdict: Verdict = "understood but for noise" if noise else "understood"
            return replace(known, verdict=verdict, noise=noise, replay_apart=apart)
        known = replace(known, replay_apart=apart)
    except Unclear as error:
        known = _but(known, str(error))
    for pull, apart in _pulled(update, known):
        if apart <= TOLERANCE:
            return replace(known, verdict="understood", reasons=(), replay_apart=apart, pull=pull)
    if state is not None and any(one.noise for one in update.mods):
        return _noisy(update, known, state)
    if training.private is None:
        with suppress(Unclear):  # the first reason is the one to say
            apart = apart_of(known, replayed(training, before, by_losses=False), training)
            if apart <= TOLERANCE:
                return replace(
                    known, verdict="understood but for the loss", replay_apart=apart, reasons=known.reasons or (LOSS,)
                )
    return known if known.reasons else _noisy(update, known, state or {})


def _pulled(update: Update, known: Understanding) -> Iterator[tuple[Pull, float]]:
    """Pulls of the weights that are tried, and how far replays with them end from the reply."""
    training = update.training
    if not training.beside or training.private is not None or known.reasons:
        return
    for proximal in (True, False):
        with suppress(Unclear):
            fit = Fit(proximal=proximal)
            replayed(training, known.before, fit=fit)
            yield fit.pull, apart_of(known, replayed(training, known.before, pull=fit.pull), training)


def apart_of(known: Understanding, state: State, training: Training) -> float:
    """The largest difference between a replay and the reply, of the largest change of its kind; infinite for NaN.

    Kinds are parameters, buffers and counters: a counter of batches grows by whole numbers, however little is learned.
    """
    network = training.network or nn.Identity()
    parameters = {name for name, _ in network.named_parameters(remove_duplicate=False)}
    kinds: dict[tuple[bool, bool], State] = {}
    for name, value in known.after.items():
        kinds.setdefault((name in parameters, value.is_floating_point()), {})[name] = value
    ends = [(difference(after, state), difference(after, known.before)) for after in kinds.values()]
    return max(found / max(change, 1e-30) if math.isfinite(change) else math.inf for found, change in ends)


def _noisy(update: Update, known: Understanding, state: State) -> Understanding:
    """Where a mod adds noise: whether what is left over looks like it, and is as large in every array."""
    facts: dict[str, Any] = {}
    source = next((one for one in update.mods if one.noise), None)
    state = state if source is None else source.clipped(known.before, state)
    left = {name: known.after[name].double() - state[name].double() for name in _floating(known.after)}
    rest = _flat(left)
    change = _flat({name: state[name].double() - known.before[name].double() for name in left})
    facts["noise"] = float(rest.std())
    if source is None:
        return replace(
            known,
            reasons=(
                f"training that is replayed ends elsewhere than the reply ({known.replay_apart:.2g} of the largest "
                "change apart): something in it was not seen",
            ),
            **facts,
        )
    alike = float(torch.corrcoef(torch.stack([rest, change]))[0, 1]) if rest.std() > 0 and change.std() > 0 else 0.0
    if abs(alike) > UNLIKE:
        return replace(
            known, reasons=(f"what is left over follows the change ({alike:.2f}), so it is no noise",), **facts
        )
    try:
        like_noise(left, source.noise)
    except Unclear as error:
        return replace(known, reasons=(str(error),), **facts)
    return replace(known, verdict="understood but for noise", **facts)


def _in_shape(wire: Matched, arrays: Mapping[str, Tensor], start: State) -> State:
    """Arrays by the network's names, in its shapes and types."""
    missing = next((name for name in wire.names if name not in arrays), None)
    if missing is not None:
        raise Unclear(f"'{missing}' was sent, and is not in the reply")
    other = next((n for n, own in wire.names.items() if arrays[n].numel() != start[own].numel()), None)
    if other is not None:
        raise Unclear(f"'{other}' comes back in shape {tuple(arrays[other].shape)}, and has another in the network")
    return {name: value.reshape(start[name].shape).to(start[name].dtype) for name, value in wire.state(arrays).items()}


def _first_apart(before: State, training: Training) -> str:
    name = next(one for one, value in before.items() if not torch.equal(value, training.start[one]))
    return f"'{name}' was another"


def _floating(state: State) -> list[str]:
    return [name for name, value in state.items() if value.is_floating_point()]


def _flat(state: State) -> Tensor:
    """All entries in a row."""
    return torch.cat([value.flatten() for value in state.values()])


def _but(known: Understanding, reason: str) -> Understanding:
    return replace(known, reasons=(reason,))
