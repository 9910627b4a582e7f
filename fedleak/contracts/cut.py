"""Cut: what one holder saw of a round of split training, batch by batch, and the contract of attacks on it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fedleak.contracts.attack import Attack
from fedleak.contracts.reconstruction import Kind
from fedleak.contracts.view import View
from fedleak.errors import ConfigError, NotApplicable
from fedleak.learning.facts import LocalTraining, Mode
from fedleak.learning.split import SplitNetwork
from fedleak.learning.weights import NamedTensors

Seat = Literal["active", "passive", "relay"]
"""Where an adversary sits: the party with labels and top network, one of the others, or the server that relays."""
SEATS: frozenset[Seat] = frozenset(get_args(Seat))
Asks = Literal["columns", "labels"]
"""What an attack on a cut is asked of each row: what others hold of it, or its label."""


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One step as its holder saw it: what was sent of the rows, and the gradient that came back. By party."""

    step: int
    """From 1 on."""
    rows: Int[Tensor, " batch"]
    """By number; the numbers are the same in every round and say nothing."""
    embeddings: Mapping[int, Float[Tensor, "batch *embedding"]]
    slopes: Mapping[int, Float[Tensor, "batch *embedding"]]
    """The gradient of the mean loss of the batch, for each number of an embedding."""


class Bottom(ABC):
    """Another party's bottom network, as far as the adversary may use it."""

    @abstractmethod
    def embed(self, inputs: Float[Tensor, "batch *own"], mode: Mode = "eval") -> Float[Tensor, "batch *embedding"]:
        """What that party would send of such columns; in train mode as of the batch of a step.

        Differentiable only where the weights are known.
        """


@dataclass(frozen=True, kw_only=True)
class Cut(View):
    """The diary of one holder for one round, with what it holds itself; of others nothing but what they sent.

    `rows` are those that it is asked about: NaN for values that it does not hold, label -1 where it has no labels.
    `hidden` names the columns it is asked about; none where it is asked about labels.
    """

    reader: ClassVar[str] = (
        "somebody at the table of split training: a party, who knows its own columns and network, or the server that "
        "relays. Unless the run says what else it does, it goes by the protocol; it keeps all that it sends and gets, "
        "and guesses afterwards"
    )
    seat: Seat
    party: int | None
    """Which party it is; None: the relay."""
    asks: Asks
    asked: Int[Tensor, " asked"]
    """The numbers of `rows`."""
    exchanges: tuple[Exchange, ...]
    own: Float[Tensor, "all *own"] | None = None
    """The columns that it holds, of all rows by number; None: it holds none."""
    weights: NamedTensors = field(default_factory=dict)
    """Of its own networks when the round began, by name in the joint network."""
    known: Int[Tensor, " known"] | None = None
    """Rows whose labels it knows from elsewhere (`adversary.known_labels`), none of them asked about."""
    known_labels: Int[Tensor, " known"] | None = None
    bottoms: Mapping[int, Bottom] = field(default_factory=dict)
    """Those of the parties whose embeddings it sees, when the round began, where `adversary.bottoms` lets it use them.
    """
    training: LocalTraining = field(default_factory=LocalTraining)

    @property
    def network(self) -> SplitNetwork:
        """The architecture, which all parties know; its own weights mean nothing."""
        network = self.task.network
        assert isinstance(network, SplitNetwork)
        return network

    @property
    def places(self) -> tuple[int, ...]:
        """Where the values that it is asked about lie along the last axis of an example, in their order."""
        seen = sorted({party for one in self.exchanges for party in one.embeddings} - {self.party})
        return tuple(sorted(place for party in seen for place in self.network.places[party]))

    @property
    def labeled(self) -> tuple[Float[Tensor, "labeled *own"], Int[Tensor, " labeled"]]:
        """Its columns of rows whose labels it knows, public ones too; raises `NotApplicable` where it holds none."""
        if self.own is None or self.party is None:
            raise NotApplicable("it needs columns of its own, and the server that relays holds none")
        inputs, labels = [self.own[:0]], [torch.empty(0, dtype=torch.long)]
        if self.known is not None and self.known_labels is not None:
            inputs.append(self.own[self.known])
            labels.append(self.known_labels)
        if self.auxiliary is not None:
            inputs.append(self.auxiliary.inputs[..., list(self.network.places[self.party])])
            labels.append(self.auxiliary.labels)
        return torch.cat(inputs), torch.cat(labels)

    @property
    def unlabeled(self) -> Int[Tensor, " unlabeled"]:
        """The rows whose labels it does not know, of all whose columns it holds."""
        rows = torch.arange(0 if self.own is None else len(self.own))
        return rows if self.known is None else rows[~torch.isin(rows, self.known)]

    def require_bottom(self, party: int) -> Bottom:
        """The bottom network of a party; raises `NotApplicable` where the adversary has no use of it."""
        if party not in self.bottoms:
            raise NotApplicable(f"it needs the bottom network of party {party}, which this adversary cannot use")
        return self.bottoms[party]


class CutAttack(Attack[Cut], ABC):
    """An attack on a cut: a guess for each row that is asked about, as `Reconstruction.columns`.

    Of columns a value for each hidden one, in the order of `Cut.places`; of labels one for each class, as of a category
    of a table: probability 0 is -1 and 1 is 1.
    """

    seats: ClassVar[frozenset[Seat]] = SEATS
    """From where it can be run."""
    asks: ClassVar[Asks]
    needs: ClassVar[Literal["", "queries", "weights"]] = ""
    """What it must be able to do with the bottom networks of others."""
    learns_labels: ClassVar[bool] = False
    """Whether it learns from rows whose labels the adversary knows, its own or public ones."""

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"columns"})


def require_seat(attack: CutAttack, seat: Seat) -> None:
    """Raises `ConfigError` for an attack from where it is none, as on labels by the party that has them."""
    if seat not in attack.seats or (attack.asks == "labels" and seat == "active"):
        can = " or ".join(sorted(attack.seats - ({"active"} if attack.asks == "labels" else set())))
        raise ConfigError(f"{attack.name} is run from the seat of {can}, and this is the diary of {seat}")


def cut_attack_in(attack: object) -> CutAttack | None:
    """The attack on a cut itself, or the one within a wrapper; None where there is none."""
    if isinstance(attack, CutAttack):
        return attack
    inner = (cut_attack_in(value) for value in vars(attack).values()) if isinstance(attack, Attack) else iter(())
    return next((one for one in inner if one is not None), None)
