"""Rows of a cut: what was sent of each row that is asked about, what came back for it, and the way back to columns."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from fedleak.contracts.chain import Chain
from fedleak.contracts.cut import Asks, Bottom, Cut, CutAttack, Seat
from fedleak.contracts.reconstruction import Reconstruction, TracePoint
from fedleak.errors import NotApplicable
from fedleak.learning.facts import Mode
from fedleak.learning.images import Images
from fedleak.learning.input_space import InputSpace
from fedleak.learning.table import Table
from fedleak.randomness import seeded


def sent(cut: Cut, party: int) -> Float[Tensor, "asked *embedding"]:
    """What a party sent of each row that is asked about, the first time in the round."""
    return _of_rows(cut, cut.asked, {place: one.embeddings for place, one in enumerate(cut.exchanges)}, party)


def answered(cut: Cut) -> Float[Tensor, "asked *embedding"]:
    """The gradient that came back for each row that is asked about, the first time in the round.

    At the relay that for the first party's embedding.
    """
    party = cut.party if cut.party is not None else min(slopes_at(cut), default=1)
    return _of_rows(cut, cut.asked, {place: one.slopes for place, one in enumerate(cut.exchanges)}, party)


def slopes_at(cut: Cut) -> tuple[int, ...]:
    """The parties whose gradients its holder saw."""
    return tuple(sorted({party for one in cut.exchanges for party in one.slopes}))


def _of_rows(
    cut: Cut, asked: Int[Tensor, " asked"], tensors: Mapping[int, Mapping[int, Tensor]], party: int
) -> Float[Tensor, "asked *embedding"]:
    found: dict[int, Tensor] = {}
    for place, one in enumerate(cut.exchanges):
        if party not in tensors[place]:
            continue
        for row, value in zip(one.rows.tolist(), tensors[place][party], strict=True):
            found.setdefault(row, value)
    missing = [row for row in asked.tolist() if row not in found]
    if missing or not len(asked):
        raise NotApplicable(f"nothing was seen of {len(missing) or 'any'} of the rows that are asked about")
    return torch.stack([found[row] for row in asked.tolist()])


@dataclass(frozen=True, kw_only=True)
class Sender:
    """A party as whoever gets its embeddings knows it."""

    space: InputSpace
    """What its columns of one example are."""
    bottom: Bottom
    mode: Mode
    """In which the embeddings were made."""
    embeddings: Float[Tensor, "asked *embedding"]
    """What it sent of the rows that are asked about, which were the batch of the round's first step."""
    public: Float[Tensor, "public *own"] | None
    """Its columns of the adversary's public examples; None: there are none."""
    defense: Chain

    @property
    def defended(self) -> bool:
        """Whether what it sends is not what its network says."""
        return changes_embeddings(self.defense)

    def embed(self, inputs: Float[Tensor, "batch *own"]) -> Float[Tensor, "batch *embedding"]:
        """What its network says of a batch."""
        return self.bottom.embed(inputs, self.mode)

    def protected(self, embeddings: Float[Tensor, "batch *embedding"], rng: Generator) -> Tensor:
        """What it would send of them under its defense, by draws of the adversary's own."""
        draw = int(torch.randint(2**62, (), generator=rng))
        return self.defense.at_cut.embeddings(embeddings, torch.arange(len(embeddings)), ("own draws", draw))

    def expected(self, embeddings: Float[Tensor, "batch *embedding"]) -> Float[Tensor, "batch *embedding"]:
        """The same in the mean, as a differentiable function of them."""
        return self.defense.at_cut.expected(embeddings)

    def noise_variance(self, rng: Generator) -> float:
        """Of a number that it sends, measured by draws of the adversary's own on public examples; 0: there is no noise.

        Without public examples on what it sent, which has noise already.
        """
        if not self.defended:
            return 0.0
        clean = self.embeddings
        if self.public is not None and len(self.public) >= len(clean):
            clean = self.embed(self.public[: len(clean)]).detach()
        return float((self.protected(clean, rng) - self.expected(clean)).square().mean())


@dataclass(frozen=True)
class Inverted:
    """A guess at a sender's columns of the rows that are asked about."""

    columns: Float[Tensor, "asked *own"]
    mismatch: float
    trace: tuple[TracePoint, ...] = ()
    note: str | None = None


class CutInversion(CutAttack):
    """Guesses each sender's columns apart; subclasses say how."""

    seats: ClassVar[frozenset[Seat]] = frozenset({"active", "relay"})
    asks: ClassVar[Asks] = "columns"

    @abstractmethod
    def invert(self, sender: Sender, rng: Generator) -> Inverted:
        """The columns behind a sender's embeddings."""

    def adapts_to(self, chain: Chain) -> bool:
        return changes_embeddings(chain)

    def reconstruct(self, observation: Cut, rng: Generator) -> Reconstruction:
        found = {party: self.invert(sender_of(observation, party, rng), rng) for party in senders_in(observation)}
        return Reconstruction(
            columns=placed(observation, {party: one.columns for party, one in found.items()}),
            mismatch=sum(one.mismatch for one in found.values()) / len(found),
            note="; ".join(dict.fromkeys(one.note for one in found.values() if one.note)) or None,
            trace=next(iter(found.values())).trace if len(found) == 1 else (),
        )


def changes_embeddings(chain: Chain) -> bool:
    """Whether a defense has parties send something else than their embeddings."""
    return any("embedding" in defense.acts_on for defense in chain)


def senders_in(cut: Cut) -> tuple[int, ...]:
    """The parties whose embeddings the holder of a diary got; raises `NotApplicable` where there is none."""
    found = tuple(sorted({party for one in cut.exchanges for party in one.embeddings} - {cut.party}))
    if not found:
        raise NotApplicable("nobody sent this holder an embedding: the active party and the relay get them")
    return found


def sender_of(cut: Cut, party: int, rng: Generator) -> Sender:
    """One sender; raises `NotApplicable` where the adversary cannot use its network, or that network draws."""
    places, bottom = list(cut.network.places[party]), cut.require_bottom(party)
    public = None if cut.auxiliary is None or not len(cut.auxiliary) else cut.auxiliary.inputs[..., places]
    sender = Sender(
        space=_space_of(cut.task.space, places),
        bottom=bottom,
        mode=cut.training.mode or "train",
        embeddings=sent(cut, party),
        public=public,
        defense=cut.defense,
    )
    _require_no_draws(sender, party, rng)
    return sender


def placed(cut: Cut, parts: Mapping[int, Float[Tensor, "asked *own"]]) -> Float[Tensor, "asked *hidden"]:
    """Each party's columns where they belong among the hidden ones."""
    order = torch.tensor([place for party in parts for place in cut.network.places[party]])
    return torch.cat(list(parts.values()), dim=-1)[..., torch.argsort(order)]


def _space_of(space: InputSpace, places: list[int]) -> InputSpace:
    """What columns of an example are by themselves; of images as if they stood side by side."""
    if isinstance(space, Images):
        return replace(space, width=len(places))
    if isinstance(space, Table):
        own = tuple(one for one in space.columns if space.places(one.name).start in places)
        return replace(space, columns=own)
    raise NotApplicable(f"it inverts columns of images and tables, and the examples are {space.words}")


def _require_no_draws(sender: Sender, party: int, rng: Generator) -> None:
    """In train mode the same batch has to give the same embeddings; with BatchNorm it does, with dropout not."""
    if sender.mode == "eval":
        return
    batch = sender.space.uniform(len(sender.embeddings), rng)
    said = []
    for draw in range(2):
        with seeded("draws of a bottom", draw), torch.no_grad():
            said.append(sender.embed(batch))
    if not torch.equal(*said):
        raise NotApplicable(
            f"the bottom network of party {party} draws at random in training (dropout), and nobody else knows which "
            'draws made its embeddings; have it train with [federation] mode = "eval" to see what is left without'
        )
