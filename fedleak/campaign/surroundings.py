"""What lies around a message in its federation: the other messages, and whose examples it could be mistaken for."""

from dataclasses import dataclass
from pathlib import Path

import torch

from fedleak import data
from fedleak.batch import Batch
from fedleak.campaign.truth import truth_of
from fedleak.challenge import FEWEST, Question, some_of, strangers_among
from fedleak.observation import Observation
from fedleak.randomness import generator
from fedleak.recording import Recording, read_recording
from fedleak.vault import deposited, withdraw


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """One federation under one defense, on disk."""

    recordings: Path
    """The folder that holds `round-0001`."""
    vault: Path | None
    """None where the truth was not kept, so nobody can be asked about it."""

    def others(self, of: Recording) -> tuple[Observation, ...]:
        """What the server had seen when a message came: those of its round and of earlier ones, without itself."""
        paths = (*self.recordings.glob("round-*/client-*.json"), *self.recordings.glob("round-*/aggregate.json"))
        own = self.recordings / of.stem
        others = (path for path in sorted(paths) if path.with_suffix("") != own and _round_of(path) <= of.round)
        return tuple(read_recording(path).observation() for path in others)

    def question(self, of: Recording) -> Question | None:
        """Whose examples are behind a message? None where nobody knows the answer."""
        if self.vault is None:
            return None
        dice = (of.seed, of.round, of.cohort)
        mine = truth_of(self.vault, of.round, of.cohort)
        return Question(
            members=mine,
            rivals=_rivals(self.vault, of, mine, dice),
            strangers=_strangers(self.vault, of.task.name, dice),
            dice=dice,
        )


def _round_of(path: Path) -> int:
    return int(path.parent.name.removeprefix("round-"))


def _rivals(vault: Path, of: Recording, mine: Batch, dice: tuple[object, ...]) -> Batch:
    """What the round's other clients trained on."""
    clients = tuple(client for round, client in deposited(vault) if round == of.round and client not in of.cohort)
    if not clients:
        return mine[torch.zeros(0, dtype=torch.int64)]
    return some_of(truth_of(vault, of.round, clients), generator("rivals", *dice))


def _strangers(vault: Path, task: str, dice: tuple[object, ...]) -> Batch:
    """Clients' examples that no recorded round used; where too few are left, the test set, which nobody trains on.

    The first are the fairer: a model that was trained before the recorded rounds has seen them as it has the members.
    """
    splits, rng = data.load(task), generator("strangers", *dice)
    used = (withdraw(vault, round, client).examples for round, client in deposited(vault))
    unused = strangers_among(splits.clients, used, rng)
    return unused if len(unused) >= FEWEST else some_of(splits.test, rng)
