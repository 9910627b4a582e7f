"""Replay of a client's round from the vault, compared with what was recorded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from fedleak.contracts.chain import Chain
from fedleak.contracts.tampered import Tampered, sent_parameters
from fedleak.contracts.tampering import Standing
from fedleak.defenses.secure_aggregation import SecureAggregation, masking_of
from fedleak.errors import FedleakError, RecordingError
from fedleak.federation.reply import reply
from fedleak.learning.device import count
from fedleak.learning.training import LocalTraining
from fedleak.learning.weights import NamedTensors, Weights
from fedleak.recording.payload import RING
from fedleak.recording.recording import Recording
from fedleak.vault.batches import PrivateBatch

EPSILON = torch.finfo(torch.float32).eps
DECIDABLE = 0.5
"""Tolerance above which agreement would say nothing (an unrelated update is off by 1 or more): rounding drowns it."""
SUMMATION = 1e-4
"""Relative error that float32 sums in another order (another machine, another BLAS) may put into a gradient."""

CERTAIN, FARTHEST = 1.5, 8.0
"""Times the standard deviation of a protocol's rounding that all entries together, and any of them, stay within."""


@dataclass(frozen=True)
class Comparison:
    """Distance of the replayed update from the recorded one, as a share of the recorded one's length."""

    error: float
    tolerance: float
    buffers_agree: bool = True
    grid: float = 0.0
    """How much of the tolerance a protocol's rounding is."""

    @property
    def decidable(self) -> bool:
        """Whether the recorded update is long enough to tell one update from another."""
        return self.tolerance <= DECIDABLE

    @property
    def agrees(self) -> bool:
        """Whether parameters and buffers are the same up to what float32 cannot tell apart."""
        return self.error <= self.tolerance and self.buffers_agree


def replay(
    recording: Recording,
    truth: PrivateBatch,
    *,
    training: LocalTraining | None = None,
    chain: Chain | None = None,
    seed_key: tuple[object, ...] | None = None,
) -> Weights:
    """The client's reply, recomputed. Facts come from the recording, and from the vault where it does not know them.

    On the device that the client trained on, or else on the processor, where a network draws other dropout masks.
    """
    return reply(
        recording.task,
        recording.before,
        truth.trained_on,
        training or recording.training.known_or(truth.training),
        recording.chain if chain is None else chain,
        truth.seed_key if seed_key is None else seed_key,
        truth.kept,
        truth.device if count(truth.device) else "cpu",
        _tampered(recording, truth),
    ).weights


def _tampered(recording: Recording, truth: PrivateBatch) -> Tampered | None:
    """What the training code did beside training."""
    known, task = truth.tampered, recording.task
    if known is None or not recording.tampering:
        return None
    standing = Standing(
        task=task,
        share=known.share,
        client=truth.client,
        clients=known.clients,
        weight=known.weight,
        round=truth.round,
        rounds=known.rounds,
        sent=sent_parameters(task, recording.chain.local),
        seed_key=truth.seed_key,
    )
    return Tampered(does=recording.tampering, standing=standing)


def replayed_mean(
    recording: Recording, truths: Sequence[PrivateBatch], sent: Mapping[int, Weights] | None = None
) -> Weights:
    """The mean of the cohort's replies, weighted by their examples.

    `sent` has what clients were sent where that is not the same for all: the mean is then of their changes. Of a sum
    over the ring as the ring has it, so that rounding and cutting are replayed too. Raises `RecordingError` where the
    replies have no such sum.
    """
    starts = [(sent or {}).get(truth.client, recording.before) for truth in truths]
    each = [replay(replace(recording, before=start), truth) for truth, start in zip(truths, starts, strict=True)]
    replies = [_moved(reply, start, recording.before) for reply, start in zip(each, starts, strict=True)]
    counts = [truth.reported for truth in truths]
    masking = masking_of(recording.chain)
    if masking is not None and RING in recording.payload:
        return _through_the_ring(masking, recording.before, replies, counts)

    def mean(states: list[NamedTensors]) -> NamedTensors:
        return {
            name: sum((count * state[name].double() for count, state in zip(counts, states, strict=True)),
                      start=torch.zeros(())) / sum(counts)
            for name in states[0]
        }  # fmt: skip

    return Weights(mean([r.parameters for r in replies]), mean([r.buffers for r in replies]))


def _moved(reply: Weights, start: Weights, before: Weights) -> Weights:
    """A reply as if the client had been sent other weights and changed them as much."""
    if start is before:
        return reply
    own, old, new = reply.state_dict(), start.state_dict(), before.state_dict()
    state = {name: new[name].double() + (value.double() - old[name].double()) for name, value in own.items()}
    return Weights({name: state[name] for name in reply.parameters}, {name: state[name] for name in reply.buffers})


def _through_the_ring(
    masking: SecureAggregation, before: Weights, replies: Sequence[Weights], counts: Sequence[int]
) -> Weights:
    try:
        vectors = [
            masking.vector(before, after, count, len(replies)) for after, count in zip(replies, counts, strict=True)
        ]
        state = masking.opened(np.sum(vectors, axis=0, dtype=vectors[0].dtype)).state(before)
    except FedleakError as error:
        raise RecordingError(f"the cohort's batches have no sum over the ring: {error}") from error
    return Weights({name: state[name] for name in before.parameters}, {name: state[name] for name in before.buffers})


def compare(recording: Recording, replayed: Weights) -> Comparison:
    """Relative error of the update over all parameters.

    Tolerated is what float32 sums may differ by, and the rounding of the weights: the update is a difference of
    weights that are each known to one part in 2^24, so a small learning rate leaves it fewer digits. Where a protocol
    rounds to a grid of its own, what replaying that may add is tolerated too.
    """
    before = recording.before.parameters
    recorded, ours = delta(recording.state, before), delta(replayed.parameters, before)
    length = float(torch.linalg.vector_norm(recorded))
    weights = float(torch.linalg.vector_norm(torch.cat([value.double().reshape(-1) for value in before.values()])))
    distance = float(torch.linalg.vector_norm(recorded - ours))
    grid = CERTAIN * recording.rounding * recorded.numel() ** 0.5
    if length == 0.0:
        return Comparison(0.0 if distance <= EPSILON * weights + grid else float("inf"), SUMMATION, True)
    tolerance = SUMMATION + (EPSILON * weights + grid) / length
    return Comparison(distance / length, tolerance, _buffers_agree(recording, replayed), grid / length)


def delta(state: NamedTensors, before: NamedTensors) -> Float[Tensor, " entries"]:
    """The update as one vector in double precision."""
    return torch.cat([(state[name].double() - value.double()).reshape(-1) for name, value in before.items()])


def _buffers_agree(recording: Recording, replayed: Weights) -> bool:
    state = recording.state
    pairs = [(state[n], value) for n, value in replayed.buffers.items() if n in state]
    near = 1e-5 + FARTHEST * recording.rounding
    return all(torch.allclose(theirs.double(), ours.double(), rtol=1e-3, atol=near) for theirs, ours in pairs)
