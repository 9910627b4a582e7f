"""Message: one recorded message, or model, the truth behind it and what lay around it, each file read once."""

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import torch

from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Kind
from fedleak.contracts.released import Released
from fedleak.data.splits import load
from fedleak.errors import RecordingError
from fedleak.evaluation.challenge import FEWEST, Challenge, Question, non_members_among, planted_question, some_of
from fedleak.evaluation.trained_rows import trained_rows
from fedleak.learning.batch import Batch, joined
from fedleak.learning.hidden import Hidden
from fedleak.learning.training import LocalTraining
from fedleak.learning.weights import Weights
from fedleak.randomness import generator
from fedleak.recording.files import read_recording
from fedleak.recording.recording import Recording
from fedleak.recording.sent import read_sent
from fedleak.results.row import Cellular
from fedleak.results.schema import AGGREGATE, LARGEST, MODEL, Who
from fedleak.runs.folder import RunFolder, vault_beside
from fedleak.vault.batches import PrivateBatch, deposited, withdraw
from fedleak.vault.secrets import TypedSecret, typed_secret
from fedleak.vault.shares import hidden_in


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message of a recorded federation, or a model that left it. Nothing is read before it is asked for or twice.

    Made for one cell, or one picture, and let go after it: what it has read stays in memory as long as it does.
    """

    path: Path
    """The recording, with or without suffix."""
    recordings: Path
    """The folder of its federation, which holds `round-0001`."""
    vault: Path | None
    """None where the truth was not kept, so nobody can be asked about it."""
    client: tuple[int, int] | None = None
    """Round and client, where the run folder names one: the truth is then found without the recording."""
    shadows: Path | None = None
    """Where models that the adversary trains itself are kept; None: they are not."""
    _deposits: dict[tuple[int, int], PrivateBatch] = field(default_factory=dict, init=False, repr=False, compare=False)

    @classmethod
    def of(cls, folder: RunFolder, place: Cellular) -> "Message":
        """The message that a cell of a run is about."""
        client = None if isinstance(place.client, str) else (place.round, place.client)
        federation = place.defense, place.federation
        recordings, vault = folder.recordings(*federation), folder.vault(*federation)
        return cls(
            path=folder.recording(place), recordings=recordings, vault=vault, client=client, shadows=folder.shadows
        )

    @classmethod
    def at(cls, path: Path) -> "Message":
        """The message in a file, with the truth where the vault of its run lies beside it."""
        return cls(path=path, recordings=path.resolve().parent.parent, vault=vault_beside(path))

    @cached_property
    def recording(self) -> Recording:
        """What crossed the wire; raises `RecordingError` where the file is missing or damaged."""
        return read_recording(self.path)

    @property
    def of_model(self) -> bool:
        """Whether it is a model that left the federation."""
        return self.client is None and self.recording.kind == MODEL

    @property
    def sender(self) -> Who:
        """The client, the aggregate, or the model."""
        kind = self.recording.kind
        return kind if kind in (AGGREGATE, MODEL) else self.recording.cohort[0]

    @property
    def round(self) -> int:
        """The round that it was sent in."""
        return self.recording.round if self.client is None else self.client[0]

    @property
    def cohort(self) -> tuple[int, ...]:
        """The clients whose examples are in it."""
        return self.recording.cohort if self.client is None else (self.client[1],)

    @property
    def deposits(self) -> tuple[PrivateBatch, ...]:
        """What each client of the cohort has in the vault; raises `RecordingError` where one is missing or damaged."""
        return tuple(self._deposit(self.round, client) for client in self.cohort)

    @cached_property
    def truth(self) -> Batch:
        """The examples behind it, client after client of the cohort; raises `RecordingError`.

        Of a model all that any client trained on up to its round, recorded or not.
        """
        if self.of_model:
            return trained_rows(self._vault, self.recording, self.recording.round)
        return joined(deposit.examples for deposit in self.deposits)

    @cached_property
    def news(self) -> Batch:
        """Of a model what any client trained on since the release before, or from the start; of an update its truth.

        What guesses at examples are compared with: nobody claims to rebuild all that a model ever saw. Raises
        `RecordingError`, also where nobody trained in between.
        """
        before = self._releases_before if self.of_model else ()
        if not before:
            return self.truth
        return trained_rows(self._vault, self.recording, self.recording.round, _round_of(before[-1]))

    @cached_property
    def seen(self) -> Batch:
        """The truth with NaN for what no client trained on, as where a defense moved it out of the picture.

        Of a model all of its news: what is out of the picture in one round is in it in another.
        """
        if self.of_model:
            return self.news
        chain = self.recording.observation().defense.local
        masks = [chain.seen(one.examples, one.seed_key) for one in self.deposits]
        return replace(self.truth, inputs=self.truth.inputs.masked_fill(~torch.cat(masks), math.nan))

    @property
    def training(self) -> LocalTraining:
        """How its client, or the first of a cohort, really trained; raises `RecordingError`."""
        if self.of_model:
            return self.recording.training
        return self._deposit(self.round, self.cohort[0]).training

    @property
    def others(self) -> tuple[Observation, ...]:
        """What the server had seen when it came: messages of its round and of earlier ones, without itself."""
        own = self.recordings / self.recording.stem
        paths = (*self.recordings.glob("round-*/client-*.json"), *self.recordings.glob("round-*/aggregate.json"))
        others = (path for path in sorted(paths) if path.with_suffix("") != own and _round_of(path) <= self.round)
        return tuple(read_recording(path).observation() for path in others)

    @property
    def sent(self) -> dict[int, Weights]:
        """Of a sum what each client of its cohort was sent, by a server that sends crafted weights; else nothing."""
        if self.recording.kind != AGGREGATE or not self.recording.manipulations:
            return {}
        paths = (self.path.parent / f"client-{client:04d}.json" for client in self.cohort)
        own = {read.cohort[0]: read.before for read in (read_recording(path) for path in paths if path.exists())}
        return {**read_sent(self.path.parent, self.recording.before), **own}

    @property
    def earlier(self) -> tuple[Released, ...]:
        """Of a model those that left the federation before, oldest first."""
        return tuple(read_recording(path).released() for path in self._releases_before)

    @property
    def _releases_before(self) -> tuple[Path, ...]:
        paths = sorted(self.recordings.glob("round-*/model.json"))
        return tuple(path for path in paths if _round_of(path) < self.round)

    def behind(self, targets: Collection[Kind]) -> Batch:
        """What a guess of such things is compared with: the news where it is of examples, else the truth."""
        return self.news if {"inputs", "labels"} & set(targets) else self.truth

    @cached_property
    def question(self) -> Question | None:
        """Whose examples are behind it? None where nobody knows the answer.

        Of a model: which were trained on, by any client. There are no other clients then. Of planted ones, if any were.
        """
        if self.vault is None:
            return None
        seed_key = (self.recording.seed, self.round, self.cohort)
        others = self._other_clients(self.vault)
        if count := self._planted(self.vault):
            planted = load(self.recording.source).auxiliary[torch.arange(count)]
            return planted_question(planted, self.truth, others, self._used(self.vault), seed_key)
        return Question(
            members=some_of(self.truth, generator("members", *seed_key)) if self.of_model else self.truth,
            other_clients=some_of(others, generator("rivals", *seed_key)),  # the word is part of the seed
            non_members=self._non_members(self.vault, seed_key),
            seed_key=seed_key,
        )

    @cached_property
    def challenge(self) -> Challenge | None:
        """The question with its candidates in an order that tells nothing, and the answer."""
        return None if self.question is None else self.question.challenge()

    @cached_property
    def canary(self) -> TypedSecret | None:
        """The secret that a client typed into its text; None where none did, or that is not kept."""
        return None if self.vault is None else typed_secret(self.vault)

    def payloads(self, names: Collection[str]) -> tuple[Hidden, ...]:
        """What one of these tamperings hid of each client; nothing where none did, or that is not kept."""
        return next(filter(None, (hidden_in(self.vault, name) for name in sorted(names) if self.vault)), ())

    @property
    def _vault(self) -> Path:
        if self.vault is None:
            raise RecordingError(f"{self.path}: no vault beside the recording, so nobody knows the truth")
        return self.vault

    def _deposit(self, round: int, client: int) -> PrivateBatch:
        if (round, client) not in self._deposits:
            self._deposits[round, client] = withdraw(self._vault, round, client)
        return self._deposits[round, client]

    def _planted(self, vault: Path) -> int:
        """How many public examples coins gave to clients, or to nobody."""
        known = deposited(vault)[:1] if self.of_model else [(self.round, self.cohort[0])]
        return max((self._deposit(*one).planted for one in known), default=0)

    def _other_clients(self, vault: Path) -> Batch:
        """What the round's other clients trained on; nothing where it is a model, which all of them are behind."""
        known = [] if self.of_model else deposited(vault)
        clients = [client for round, client in known if round == self.round and client not in self.cohort]
        nobody = self.truth[torch.zeros(0, dtype=torch.int64)]
        return joined([nobody, *(self._deposit(self.round, client).examples for client in clients)])

    def _non_members(self, vault: Path, seed_key: tuple[object, ...]) -> Batch:
        """Clients' examples that no recorded round used; where too few are left, the test set, which nobody trains on.

        Of a model those that no round at all used.
        The first are the fairer: a model that was trained before the recorded rounds has seen them as it has the
        members.
        """
        splits, rng = load(self.recording.source), generator("strangers", *seed_key)
        unused = non_members_among(splits.clients, self._used(vault), rng)
        return unused if len(unused) >= FEWEST else some_of(splits.test, rng)

    def _used(self, vault: Path) -> Iterator[Batch]:
        """The examples of every recorded round, of a model of every round; those of other rounds are not kept."""
        if self.of_model:
            yield trained_rows(self._vault, self.recording, LARGEST)
            return
        for round, client in deposited(vault):
            found = self._deposit(round, client) if round == self.round else withdraw(vault, round, client)
            yield found.examples


def _round_of(path: Path) -> int:
    return int(path.parent.name.removeprefix("round-"))
