"""Party of split training: columns, weights and optimizer of its own, and what it is asked in one message."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import torch
from flwr.app import ConfigRecord, Context, Message
from jaxtyping import Int
from torch import Tensor

from fedleak.contracts.at_cut import AtCut
from fedleak.contracts.tampered import Moved, Moving
from fedleak.errors import FederationError, NonFiniteError, echo
from fedleak.federation import wire
from fedleak.federation.diaries import diary_of
from fedleak.federation.plan import FederationPlan
from fedleak.learning.facts import LocalTraining, Mode
from fedleak.learning.optimizer import Optimizer, rates
from fedleak.learning.space import space_of_source
from fedleak.learning.split import SplitNetwork, held_by
from fedleak.learning.training import stabilizers
from fedleak.learning.weights import NamedTensors, Weights
from fedleak.recording.diary import Asked, Line, append, begin, write_columns
from fedleak.tasks import initial_weights
from fedleak.vault.columns import deposit_columns

from .client import Client
from .columns import Columns, columns_of, split_of

HELD, PLACE, WEIGHTS = "fedleak.party", "fedleak.party-place", "weights"
"""Records in the client's state: weights and moments, and the last step that is in them."""
PartyT = TypeVar("PartyT", bound="Party")


@dataclass(frozen=True, kw_only=True)
class Place:
    """A step of a round."""

    round: int = 0
    step: int = 0
    steps: int = 0
    """Of the round; 0 where nothing is trained."""

    @classmethod
    def of(cls, message: Message) -> "Place":
        config = wire.config_of(message.content)
        step, steps = (_whole(config, name) for name in (wire.STEP, wire.STEPS))
        return cls(round=wire.round_of(message.content), step=step, steps=steps)

    def require_kept(self, message: Message) -> None:
        """Refuses to go on with weights from before a step that all parties have taken."""
        round, step = (_whole(wire.config_of(message.content), name) for name in (wire.LAST_ROUND, wire.LAST_STEP))
        if (round, step) > (self.round, self.step):
            raise FederationError(
                f"expected this party's weights after step {step} of round {round}, and it has those of step "
                f"{self.step} of round {self.round}, as where its node was restarted; start the federation anew"
            )

    def require_after(self, last: "Place") -> None:
        """Refuses a step that does not follow the last one, which others would count on."""
        follows = (self.round, self.step) == (last.round, last.step + 1)
        if not (follows or (self.round > last.round and self.step == 1)) or self.step > self.steps:
            raise FederationError(
                f"expected step {last.step + 1} of round {last.round} or the first of a later one, got step "
                f"{self.step} of {self.steps} in round {self.round}; this party refuses"
            )


@dataclass(frozen=True, kw_only=True)
class Held:
    """What a party keeps from one message to the next."""

    weights: Weights
    moments: Mapping[str, NamedTensors] = field(default_factory=dict)
    """Of the optimizer, and of tampering; their state starts empty each round."""
    last: Place = field(default_factory=Place)

    @classmethod
    def of(cls, context: Context, plan: FederationPlan, party: int) -> "Held":
        """At first the weights that the seed draws."""
        if HELD not in context.state:
            fresh = initial_weights(plan.task, plan.seed, plan.defenses(), plan.federation.split)
            return cls(weights=held_by(fresh, party), last=Place(round=-plan.model.trained_rounds))
        kept: dict[str, NamedTensors] = {}
        for name, value in wire.to_tensors(context.state.array_records[HELD]).items():
            kind, _, own = name.partition("/")
            kept.setdefault(kind, {})[own] = value
        place = context.state.config_records[PLACE]
        last = Place(round=int(str(place["round"])), step=int(str(place["step"])))
        declared = held_by(Weights.of(plan.public_task().network), party)
        return cls(weights=declared.like(kept.pop(WEIGHTS, {})), moments=kept, last=last)

    def keep(self, context: Context) -> None:
        """Leaves it where only the party can see it."""
        kinds = {WEIGHTS: self.weights.state_dict(), **self.moments}
        context.state[HELD] = wire.to_arrays(
            {f"{kind}/{n}": one for kind, own in kinds.items() for n, one in own.items()}
        )
        context.state[PLACE] = ConfigRecord({"round": self.last.round, "step": self.last.step})

    def stepped(self, gradients: NamedTensors, training: LocalTraining, place: Place, moved: Moving) -> "Held":
        """The same after one step of the optimizer, and of who tampers with it."""
        moments = dict(self.moments) if place.step > 1 else {}
        optimizer = Optimizer(training, step=place.step - 1, moments=moments)
        rate = [*rates(training, place.steps)][place.step - 1]
        at = self.weights.parameters
        change, kept = moved(optimizer.change(gradients, at, None, rate), moments)
        weights = Weights({name: value - change[name] for name, value in at.items()}, self.weights.buffers)
        return Held(weights=weights, moments={**optimizer.moments, **kept}, last=place)


@dataclass(frozen=True, kw_only=True)
class Party:
    """One party in one message."""

    client: Client
    place: Place
    held: Held
    message: Message
    context: Context

    @classmethod
    def of(cls: type[PartyT], message: Message, context: Context) -> PartyT:
        client = Client.of(message, context)
        split_of(client.plan)
        client.stay("masked")
        held = Held.of(context, client.plan, client.partition)
        held.last.require_kept(message)
        return cls(client=client, place=Place.of(message), held=held, message=message, context=context)

    @property
    def plan(self) -> FederationPlan:
        return self.client.plan

    @property
    def own(self) -> int:
        """Which party this is."""
        return self.client.partition

    @property
    def network(self) -> SplitNetwork:
        network = self.client.task.network
        assert isinstance(network, SplitNetwork)
        return network

    @cached_property
    def training(self) -> LocalTraining:
        return self.plan.training(self.place.round).training()

    @property
    def mode(self) -> Mode:
        """Of the networks: as in training, or as they are tested."""
        return (self.training.mode or "train") if self.place.steps else "eval"

    @cached_property
    def question(self) -> NamedTensors:
        """What came with the message."""
        return wire.to_tensors(wire.arrays_of(self.message.content))

    @property
    def rows(self) -> Int[Tensor, " batch"]:
        """The rows that the message is about."""
        rows = self._asked(wire.ROWS)
        if rows.dim() != 1 or not len(rows) or rows.dtype != torch.int64:
            raise FederationError(f"expected numbers of rows, got {_words(rows)}; this party refuses")
        if (different := len(set(rows.tolist()))) < len(rows):
            raise FederationError(
                f"expected each row once, got {len(rows)} of which {different} differ; this party refuses"
            )
        return rows

    def received(self, name: str, party: int) -> Tensor:
        """What another has to do with an embedding of `party`; refuses what is of another size than that."""
        found, wanted = self._asked(name), (len(self.rows), *self.network.sizes[party])
        if found.shape != wanted or found.dtype != self.network.dtype:
            raise FederationError(
                f"expected '{name}' of shape {wanted} in {self.network.dtype}, got {_words(found)}; this party refuses"
            )
        if not torch.isfinite(found).all():
            raise FederationError(
                f"expected finite numbers in '{name}', got NaN or infinity of another party, whose training ran away "
                "or which sends what it likes; lower federation.learning_rate, or look at that party"
            )
        return found

    def _asked(self, name: str) -> Tensor:
        if name not in self.question:
            raise FederationError(
                f"expected a message with '{name}', got one with {', '.join(self.question) or 'none'}"
            )
        return self.question[name]

    @cached_property
    def columns(self) -> Columns:
        """What the party holds of them."""
        return columns_of(self.plan, self.own, test=not self.place.steps)[self.rows]

    @property
    def cut(self) -> AtCut:
        """The defenses at the cut."""
        return self.plan.defenses().at_cut

    @property
    def seed_key(self) -> tuple[int | str, ...]:
        """What seeds dropout, the same whenever the step is computed."""
        return (self.plan.seed, "party", self.own, self.place.round, self.place.step)

    def step(self, gradients: NamedTensors) -> None:
        """Moves the weights and keeps them; raises `NonFiniteError` where a gradient is not finite."""
        for name, slope in gradients.items():
            if not torch.isfinite(slope).all():
                raise NonFiniteError(
                    f"party {self.own}'s gradient for '{name}' is not finite in step {self.place.step} of "
                    f"{self.place.steps}; {stabilizers(self.client.task, 'federation.learning_rate')}"
                )
        self.held.stepped(gradients, self.training, self.place, self.moved).keep(self.context)

    def moved(self, change: NamedTensors, kept: Mapping[str, NamedTensors]) -> Moved:  # noqa: ARG002
        """How far the weights go in place of what the optimizer says; nobody tampers with the active party's."""
        return change, {}

    def begin(self) -> None:
        """Refuses a step that does not follow the last; at the first of a round begins the party's own diary of it."""
        self.place.require_after(self.held.last)
        if self.place.step == 1 and self.plan.cuts(self.place.round):
            folder = Path(self.plan.recordings)
            held = columns_of(self.plan, self.own).tensors
            write_columns(folder, self.own, held)
            deposit_columns(Path(self.plan.vault), self.own, held, space_of_source(self.plan.source))
            begin(folder, diary_of(self.plan, self.own, self.place.round, self.held.weights.state_dict()))

    def write(self, asked: Asked, answer: NamedTensors) -> None:
        """Adds the message to the diary, in the rounds that are recorded."""
        if self.plan.cuts(self.place.round):
            line = Line(step=self.place.step, asked=asked, party=self.own, question=self.question, answer=answer)
            append(Path(self.plan.recordings), self.own, self.place.round, line)


def _words(found: Tensor) -> str:
    return f"shape {tuple(found.shape)} in {found.dtype}"


def _whole(config: ConfigRecord, name: str) -> int:
    value = config.get(name, 0)
    if not isinstance(value, int):
        raise FederationError(f"expected a whole number for '{name}', got {echo(value)}")
    return value
