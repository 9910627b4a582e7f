"""Tape of a channel: scores of all that was heard, alone and against what came before it."""

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from fedleak.dp_audit.canaries import Canaries
from fedleak.dp_audit.channel import Release


@dataclass(kw_only=True)
class Tape:
    """What messages say along canaries' directions, each score times the sign of its canary."""

    canaries: Canaries
    against: bool = False
    """Whether messages are also held against the one before them, by another client, and the same client's last."""
    signed: list[float] = field(default_factory=list)
    signs: list[int] = field(default_factory=list)
    """Of the canary of each score."""
    cosines: list[float] = field(default_factory=list)
    """Of the canary's direction, times its sign, with all that was seen at once."""
    who: list[int] = field(default_factory=list)
    """The canary of each score."""
    buffers: list[float] = field(default_factory=list)
    """What buffers say, each message's mean times the sign."""
    first: dict[int, Float[Tensor, " entries"]] = field(default_factory=dict)
    """The messages of the first round by client, or its sum as 0."""
    _clients: list[float] = field(default_factory=list)
    _rounds: list[tuple[int, float, int, float]] = field(default_factory=list)
    _last: dict[int, tuple[int, float]] = field(default_factory=dict)
    _before: tuple[int, int, float] | None = None

    def hear(self, release: Release) -> None:
        """Of a message."""
        (client,), round = release.clients, release.round
        if client >= self.canaries.count:
            return
        sign, score = self.canaries.sign(client, round), self.canaries.score(client, release.moved)
        self._kept([client], [sign], [sign * score], release.moved)
        if not self.against:
            return
        if release.buffers.numel():
            self.buffers.append(sign * float(release.buffers.double().mean()))
        if round == 1:
            self.first[client] = release.moved
        if client in self._last:
            self._rounds.append((sign, score, *self._last[client]))
        self._last[client] = sign, score
        if self._before is not None and self._before[1] == round:
            other, _, known = self._before
            along = self.canaries.score(other, release.moved)
            self._clients.append(self.canaries.sign(other, round) * (known - along))
        self._before = client, round, score

    def hear_sum(self, release: Release) -> None:
        """Of a sum over canaries that are apart."""
        there = [client for client in release.clients if client < self.canaries.count]
        signs = [self.canaries.sign(canary, release.round) for canary in there]
        scores = (self.canaries.scores(release.moved)[there] * torch.tensor(signs)).tolist()
        self._kept(there, signs, scores, release.moved)
        if not self.against:
            return
        if release.round == 1:
            self.first[0] = release.moved
        if signs and release.buffers.any():  # what one canary put there, by whoever knows what the others did
            total = float(release.buffers.double().mean())
            self.buffers.append(signs[0] * (total - sum(signs[1:])))
        for canary, sign, score in zip(there, signs, scores, strict=True):
            if canary in self._last:
                self._rounds.append((sign, sign * score, *self._last[canary]))
            self._last[canary] = sign, sign * score

    def _kept(self, who: list[int], signs: list[int], signed: list[float], moved: Float[Tensor, " entries"]) -> None:
        length = float(moved.double().norm())
        self.who.extend(who)
        self.signs.extend(signs)
        self.signed.extend(signed)
        self.cosines.extend(score / length if length else 0.0 for score in signed)

    @property
    def scores(self) -> Float[np.ndarray, " scores"]:
        """Of each message, or of each canary in each sum."""
        return np.array(self.signed)

    @property
    def between_clients(self) -> Float[np.ndarray, " scores"]:
        """Along a canary, its message less that of another client: noise that both have is gone."""
        return np.array(self._clients)

    @property
    def between_rounds(self) -> Float[np.ndarray, " scores"]:
        """Along a canary, its message less the one before, as if what it said then were known."""
        whole = float(np.mean(self.signed)) if self.signed else 0.0
        return np.array([sign * (score - other) + sign * was * whole for sign, score, was, other in self._rounds])

    def contribution(self, quiet: "Tape") -> float:
        """What a canary adds to a message, by the same messages with the same draws and without canaries."""
        pairs = [(client, moved - quiet.first[client]) for client, moved in self.first.items()]
        added = [self.canaries.sign(client, 1) * self.canaries.score(client, more) for client, more in pairs]
        return float(np.mean(added))

    def noise(self) -> float:
        """Standard deviation of an entry beside what lies along the canary."""
        if self.canaries.layout == "apart":
            left = self.canaries.entries - self.canaries.count
            rest = [moved - self.canaries.along(self.canaries.scores(moved)) for moved in self.first.values()]
            return _spread(rest) * math.sqrt(self.canaries.entries / left) if left else math.nan
        rest = [
            moved - self.canaries.score(one, moved) * self.canaries.direction(one) for one, moved in self.first.items()
        ]
        return _spread(rest)


def _spread(rest: list[Float[Tensor, " entries"]]) -> float:
    return float(torch.stack(rest).double().square().mean().sqrt())
