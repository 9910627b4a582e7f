"""Cuts: the diary of one holder of split training, with what the adversary is told and asked, and the truth."""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, Literal, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fedleak.contracts.chain import Chain
from fedleak.contracts.cut import Asks, Bottom, Cut, Exchange, Seat
from fedleak.errors import ConfigError
from fedleak.evaluation.challenge import MOST, Challenge
from fedleak.evaluation.message import Message
from fedleak.learning.batch import Batch
from fedleak.learning.facts import Mode
from fedleak.learning.source import Source
from fedleak.learning.split import ACTIVE, Party, SplitNetwork, held_by
from fedleak.learning.table import Table
from fedleak.learning.weights import Weights
from fedleak.randomness import generator, seed_of
from fedleak.recording.diary import RELAY, Diary, exchanges_of, is_diary, read_columns, read_diary, stem_of
from fedleak.results.schema import Who
from fedleak.settings.adversary import AdversarySettings
from fedleak.tasks import source_of
from fedleak.vault.columns import deposited_rows

UNKNOWN: Final = -1
"""The label of a row that the holder has no label of."""
NOBODY = torch.empty(0, dtype=torch.long)


@dataclass(frozen=True, kw_only=True)
class OpenBottom(Bottom):
    """The bottom network of another party on the weights that it had when the round began."""

    network: SplitNetwork
    party: int
    weights: Weights

    def embed(self, inputs: Float[Tensor, "batch *own"], mode: Mode = "eval") -> Float[Tensor, "batch *embedding"]:
        return Party(self.network, self.party).bottom(self.weights.clone(), inputs, mode)  # buffers move in train mode


@dataclass(frozen=True, kw_only=True)
class AskedBottom(OpenBottom):
    """The same that answers and shows no slopes."""

    def embed(self, inputs: Float[Tensor, "batch *own"], mode: Mode = "eval") -> Float[Tensor, "batch *embedding"]:
        with torch.no_grad():
            return super().embed(inputs, mode)


@dataclass(frozen=True, kw_only=True)
class CutMessage(Message):
    """The diary of one holder for one round, and the truth behind it."""

    @cached_property
    def diary(self) -> Diary:
        """What it saw; raises `RecordingError` where the file is missing or damaged."""
        return read_diary(self.path)

    @property
    def of_model(self) -> bool:
        return False

    @property
    def sender(self) -> Who:
        who: dict[int | str, Who] = {RELAY: "relay", ACTIVE: "active"}
        return who.get(self.diary.who, cast(int, self.diary.who))

    @property
    def seat(self) -> Seat:
        """Where the holder sits."""
        return self.sender if isinstance(self.sender, str) else "passive"  # type: ignore[return-value]

    @property
    def round(self) -> int:
        return self.diary.round

    @property
    def cohort(self) -> tuple[int, ...]:
        """All parties: each has columns of every row."""
        return tuple(range(self.diary.split.parties))

    @property
    def source(self) -> Source:
        return source_of(self.diary.settings)

    @property
    def network(self) -> SplitNetwork:
        return cast(SplitNetwork, self.diary.task.network)

    @cached_property
    def truth(self) -> Batch:
        """All rows of all parties, in whole; raises `RecordingError`."""
        return deposited_rows(self._vault, self.network.places)

    @property
    def seen(self) -> Batch:
        return self.truth

    @cached_property
    def exchanges(self) -> tuple[Exchange, ...]:
        """The steps of the round, as far as the holder saw them."""
        return exchanges_of(self.diary.lines)

    def asked(self, asks: Asks, known: Int[Tensor, " known"]) -> Int[Tensor, " asked"]:
        """Rows that the adversary is asked about: of columns those of the first step, whose bottom networks are those
        of the diary; of labels all that it does not know, `MOST` of them at most.

        Each row has its place in one order, whoever saw which: diaries are asked about the same as far as they can be.
        """
        if not self.exchanges:
            return NOBODY
        if asks == "columns":
            first: Tensor = torch.unique(self.exchanges[0].rows)
            return first
        rows = torch.unique(torch.cat([one.rows for one in self.exchanges]))
        unknown: list[int] = rows[~torch.isin(rows, known)].tolist()
        unknown.sort(key=lambda row: seed_of("row asked", self.diary.seed, self.round, row))
        return torch.tensor(sorted(unknown[:MOST]), dtype=torch.long)

    def known(self, count: int) -> Int[Tensor, " known"]:
        """So many rows, as many of each class as can be, drawn at random; the same in every round, for every holder."""
        labels = self.truth.labels
        if count > len(labels):
            raise ConfigError(f"adversary.known_labels: the parties have {len(labels)} rows, got {count}; lower it")
        order = torch.randperm(len(labels), generator=generator("known labels", self.diary.seed))
        turns = torch.empty_like(order)
        for label in torch.unique(labels):
            own = order[labels[order] == label]
            turns[own] = torch.arange(len(own))
        return order[torch.argsort(turns[order], stable=True)[:count]].sort().values

    def bottom(self, party: int, access: Literal["queries", "weights"]) -> Bottom:
        """What the adversary may do with another party's network; raises `RecordingError` where it left no diary."""
        held = read_diary(self.recordings / stem_of(party, self.round)).weights
        declared = held_by(Weights.of(self.network), party)
        kind = OpenBottom if access == "weights" else AskedBottom
        return kind(network=self.network, party=party, weights=declared.like(held))


def message_at(message: Message) -> Message:
    """The message, or that of a diary where one lies in its place."""
    if not is_diary(message.path):
        return message
    return CutMessage(path=message.path, recordings=message.recordings, vault=message.vault, shadows=message.shadows)


def asked_rows(message: Message, challenge: Challenge | None) -> Batch | None:
    """Of a diary the rows that the adversary was asked about, which its guess is compared with; None of the others."""
    return challenge.candidates if isinstance(message, CutMessage) and challenge is not None else None


def cut_of(
    message: CutMessage, asks: Asks, adversary: AdversarySettings, public: Batch | None, chain: Chain | None
) -> tuple[Cut, Challenge | None]:
    """What an attack on a cut is given, and the answer, for scoring alone; None where the truth was not kept."""
    diary, network = message.diary, message.network
    held = {} if diary.who == RELAY else read_columns(message.recordings, int(diary.who))
    known = message.known(adversary.known_labels) if message.vault and adversary.known_labels else NOBODY
    asked = message.asked(asks, known)
    seen = {party for one in message.exchanges for party in one.embeddings} - {diary.who}
    reach = {party: message.bottom(party, adversary.bottoms) for party in seen if adversary.bottoms != "unknown"}
    space = diary.task.space
    rows = torch.full((len(asked), *space.shape), math.nan)
    labels = torch.full((len(asked),), UNKNOWN)
    if diary.who != RELAY:
        rows[..., list(network.places[int(diary.who)])] = held["inputs"][asked]
        labels = held["labels"][asked] if "labels" in held else labels
    view = Cut(
        task=diary.task,
        cohort=message.cohort,
        round=diary.round,
        defense=chain or diary.chain,
        auxiliary=public,
        rows=Batch(rows, labels, space),
        seat=message.seat,
        party=None if diary.who == RELAY else int(diary.who),
        asks=asks,
        asked=asked,
        exchanges=message.exchanges,
        own=held.get("inputs"),
        weights=diary.weights,
        known=known,
        known_labels=message.truth.labels[known] if len(known) else NOBODY,
        bottoms=reach,
        training=diary.training.hiding(adversary.unknown),
        tampering=diary.tampering,
    )
    if asks == "columns" and isinstance(space, Table):
        view = _named(view, space)
    return view, None if message.vault is None else _challenge(message.truth[asked])


def _named(view: Cut, table: Table) -> Cut:
    """With the names of the columns that it is asked about."""
    hidden = tuple(one.name for one in table.columns if table.places(one.name).start in view.places)
    return replace(view, hidden=hidden)


def _challenge(truth: Batch) -> Challenge:
    """All rows that are asked about were trained on."""
    return Challenge(candidates=truth, members=torch.arange(len(truth)), other_clients=NOBODY, non_members=NOBODY)
