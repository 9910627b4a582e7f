"""Probes: canaries of several kinds, each with a lower bound on mu of its own, and the cause that a violation has."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from fedleak.dp_audit.canaries import Layout
from fedleak.dp_audit.causes import Cause, Evidence, named
from fedleak.dp_audit.normal_scores import estimated_mu, least_mu
from fedleak.dp_audit.subject import LOUD, SMALL, Subject
from fedleak.dp_audit.tape import Tape

TESTS = 12
"""That a verdict rests on at most: each has so much less of what its confidence leaves."""
LONGER, QUIET = 1e6, 1e-6
"""Norms of canaries as multiples of what may contribute; none is 0, by which Flower's clipping divides."""
_FEWEST, _MOST = 4 * SMALL, 2048
_HEAVY, _SHARE = 8, 10
"""A client of ten reports eight examples, where clients do not weigh the same."""
_BUFFER = 1.0
_ULP = 2.0**-22
"""Rounding of a float32, as a share of it, with room for a sum of two."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a probe shows."""

    cause: Cause
    mu: float
    """Of one release, it is at least this."""
    sentence: str
    breaks: str = ""
    """What it shows of several releases together, where that is above what is claimed of them, with both figures."""


@dataclass(frozen=True, kw_only=True)
class Probed:
    """All that probes say."""

    found: tuple[Found, ...]
    evidence: Evidence | None


def corrected(confidence: float) -> float:
    """The confidence of each of the tests, so that all together have this one."""
    return 1 - (1 - confidence) / TESTS


def probes_of_messages(subject: Subject, confidence: float) -> Probed:
    """Of messages that single clients send."""
    each = corrected(confidence)
    quiet = _taped(subject, 1, norm=QUIET)
    rounds = min(_MOST, max(_FEWEST, math.ceil(64 / subject.mu**2))) // SMALL
    tapes: dict[tuple[Layout, float], Tape] = {
        ("whole", LOUD): _taped(subject, rounds),
        **{(layout, LONGER): _taped(subject, rounds, layout, LONGER) for layout in ("whole", "layers", "layer")},
    }
    whole = tapes["whole", LOUD]
    evidence = Evidence(
        given=LONGER * subject.mechanism.contribution,
        whole=whole.contribution(quiet),
        longer=tapes["whole", LONGER].contribution(quiet),
        layers=tapes["layers", LONGER].contribution(quiet),
        layer=tapes["layer", LONGER].contribution(quiet),
        quiet=quiet.noise(),
        loud=tapes["whole", LONGER].noise(),
        later=_later(subject),
    )
    cause, sentence = named(evidence, subject.mechanism)
    found = [Found(cause=cause, mu=least_mu(tape.scores, each), sentence=sentence) for tape in tapes.values()]
    return Probed(found=(*found, *_of_noise(subject, whole, evidence, each)), evidence=evidence)


def probes_of_sums(subject: Subject, confidence: float) -> Probed:
    """Of sums over all clients, where the secret is what one of them adds."""
    each = corrected(confidence)
    tape, quiet, loud = (
        _summed(subject, rounds, norm) for rounds, norm in ((4, LOUD), (1, QUIET), (1, LONGER))
    )  # fmt: skip
    size = float(np.mean(tape.scores))
    alone = _of_one_client(subject) if subject.view == "sum" else (size, size, size, size)
    evidence = Evidence(
        given=LONGER * subject.mechanism.contribution,
        whole=alone[0],
        longer=alone[1],
        layers=alone[2],
        layer=alone[3],
        quiet=quiet.noise(),
        loud=loud.noise(),
    )
    found = [_between_rounds(tape, each), _of_buffers(tape, each)]
    if subject.federation.batches == "all":
        found.append(_of_weights(subject, each))
    cause, sentence = named(evidence, subject.mechanism)
    found.append(Found(cause=cause, mu=least_mu(tape.scores, each), sentence=sentence))
    return Probed(found=tuple(found), evidence=evidence)


def of_scores(subject: Subject, scores: Float[np.ndarray, " scores"], confidence: float) -> Found:
    """Of examples, of which no more is known than how long they are in a sum, and what noise is beside them."""
    size, spread = float(scores.mean()), float(scores.std())
    given = LOUD * subject.mechanism.contribution
    evidence = Evidence(given=given, whole=size, longer=size, layers=size, layer=size, quiet=spread, loud=spread)
    cause, sentence = named(evidence, subject.mechanism)
    return Found(cause=cause, mu=least_mu(scores, corrected(confidence)), sentence=sentence)


def _of_noise(subject: Subject, tape: Tape, evidence: Evidence, confidence: float) -> Iterator[Found]:
    """Whether noise can be taken off again, and what travels without any."""
    yield Found(
        cause="same noise for every client",
        mu=_more(tape.between_clients, tape, confidence),
        sentence="what two clients send in a round has the same noise, which their difference has no more",
    )
    yield _between_rounds(tape, confidence)
    yield _of_buffers(tape, confidence)
    if math.isfinite(evidence.whole):
        yield Found(
            cause="noise on a coarse grid",
            mu=least_mu(_on_grids(subject, tape, evidence.whole), confidence),
            sentence="noise has the values of a 16-bit float alone, so that what is not one of them is the update's",
        )


def _more(differences: Float[np.ndarray, " scores"], tape: Tape, confidence: float) -> float:
    """What differences of messages show, if that is more than messages alone: independent noise makes it less."""
    if len(differences) < 2:
        return 0.0
    shown = least_mu(differences, confidence)
    return shown if shown > estimated_mu(tape.scores, confidence).high else 0.0


def _between_rounds(tape: Tape, confidence: float) -> Found:
    return Found(
        cause="same noise in every round",
        mu=_more(tape.between_rounds, tape, confidence),
        sentence="what a client sends in two rounds has the same noise, which the difference has no more",
    )


def _of_buffers(tape: Tape, confidence: float) -> Found:
    return Found(
        cause="buffers unprotected",
        mu=least_mu(np.array(tape.buffers), confidence) if tape.buffers else 0.0,
        sentence="the network's buffers leave clients without noise, as what a canary put there shows",
    )


def _of_weights(subject: Subject, confidence: float) -> Found:
    """Clients that report more examples than others move the sum by more than noise is reckoned for."""
    rounds = max(8, math.ceil(256 / subject.mu**2 / max(1, subject.canaries // _SHARE)))
    heavy = range(0, subject.canaries, _SHARE)
    federation = subject.federate(
        "weights", min(rounds, _MOST), layout="apart", counts=dict.fromkeys(heavy, _HEAVY)
    )  # fmt: skip
    tape = Tape(canaries=federation.canaries)
    federation.sums(tape.hear_sum)
    signed = tape.scores[np.isin(tape.who, heavy)]
    return Found(
        cause="unequal weights",
        mu=least_mu(signed, confidence) if len(signed) > 1 else 0.0,
        sentence=f"a client with {_HEAVY} times the examples of others moves the mean by so much more",
    )


def _taped(subject: Subject, rounds: int, layout: Layout = "whole", norm: float = LOUD) -> Tape:
    federation = subject.federate(
        "probe", rounds, layout=layout, norm=norm, small=True, buffers=_BUFFER * (norm > QUIET)
    )
    tape = Tape(canaries=federation.canaries, against=True)
    federation.messages(tape.hear)
    return tape


def _summed(subject: Subject, rounds: int, norm: float) -> Tape:
    federation = subject.federate("sum", rounds, layout="apart", norm=norm, buffers=_BUFFER * (norm > QUIET))
    tape = Tape(canaries=federation.canaries, against=True)
    federation.sums(tape.hear_sum)
    return tape


def _of_one_client(subject: Subject) -> tuple[float, float, float, float]:
    """What canaries add to a message, where clients bound it and a sum is seen."""
    quiet = _taped(subject, 1, norm=QUIET)
    designs: tuple[tuple[Layout, float], ...] = (
        ("whole", LOUD), ("whole", LONGER), ("layers", LONGER), ("layer", LONGER),
    )  # fmt: skip
    one, two, three, four = (_taped(subject, 1, *design).contribution(quiet) for design in designs)
    return one, two, three, four


def _later(subject: Subject) -> float:
    """Noise of an entry of what the strategy makes of messages of nothing."""
    return _summed(subject, 1, QUIET).noise()


def _on_grids(subject: Subject, tape: Tape, contribution: float) -> Float[np.ndarray, " messages"]:
    """How much more of a message is on a grid of 16-bit floats if the canary's own sign is taken off than the other."""
    canaries, found = tape.canaries, []
    for client, moved in tape.first.items():
        added = canaries.sign(client, 1) * contribution * canaries.direction(client)
        shares = [
            (_share_on_grid(moved - added, unit), _share_on_grid(moved + added, unit))
            for unit in (1.0, subject.mechanism.noise)
        ]
        own, other = max(shares, key=sum)
        found.append(own - other)
    return np.array(found)


def _share_on_grid(rest: Float[Tensor, " entries"], unit: float) -> float:
    """The share of entries that a 16-bit float, times the unit, can be."""
    scaled = rest.double() / unit
    steps = [(scaled - scaled.to(dtype).double()).abs() for dtype in (torch.float16, torch.bfloat16)]
    return max(float((step <= _ULP * scaled.abs()).double().mean()) for step in steps)
