"""Manipulation: sends clients crafted weights in place of the strategy's, and drops what comes back of such rounds."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from flwr.app import ArrayRecord, Message, MessageType, RecordDict

from fedleak.contracts.manipulated import crafted
from fedleak.contracts.manipulation import Crafting, Manipulation
from fedleak.data.public import public_examples
from fedleak.federation import wire
from fedleak.federation.plan import FederationPlan
from fedleak.learning.batch import Batch
from fedleak.learning.weights import Weights

from .layer import Layer
from .roster import Roster


@dataclass
class Crafter:
    """Makes what each client is sent in a round, once, however often a protocol asks for it."""

    plan: FederationPlan
    roster: Roster
    manipulations: tuple[Manipulation, ...] = field(init=False)
    public: Batch | None = field(init=False)
    _round: int = 0
    _records: dict[int, ArrayRecord] = field(default_factory=dict)
    """What each client was sent in the round that is going on; those who were sent the same share one record."""
    _sent: dict[int, Weights] = field(default_factory=dict)
    """What each client was last sent."""

    def __post_init__(self) -> None:
        adversary = self.plan.adversary
        self.manipulations = self.plan.manipulations()
        wanted = any(one.uses_public for one in self.manipulations)
        self.public = public_examples(self.plan.source, adversary.auxiliary * wanted, adversary.lacks)

    def crafts(self, round: int) -> bool:
        """Whether a round is manipulated."""
        return bool(self.manipulations) and self.plan.server.begins <= round and self.plan.recorded(round)

    def discards(self, round: int) -> bool:
        """Whether what clients learn in a round goes into no model."""
        return self.crafts(round) and not all(one.trains_on for one in self.manipulations)

    def message(self, message: Message, sent: list[Message]) -> Message:
        """A message as it leaves, of those that are sent together; the same where nothing is crafted."""
        if not shows_model(message) or not self.crafts(wire.round_of(message.content)):
            return message
        round, client = wire.round_of(message.content), self._client(message)
        if round != self._round:
            self._round, self._records = round, {}
        if client not in self._records:
            self._craft(client, round, message, tuple(sorted(self._client(one) for one in sent)))
        name = next(iter(message.content.array_records))
        content = RecordDict({**message.content, name: self._records[client]})
        return Message(content, message.metadata.dst_node_id, message.metadata.message_type,
                       ttl=message.metadata.ttl, group_id=message.metadata.group_id)  # fmt: skip

    def _craft(self, client: int, round: int, message: Message, cohort: tuple[int, ...]) -> None:
        alike = all(one.sends_alike for one in self.manipulations)
        known = next(iter(self._records), None)
        if alike and known is not None:
            self._records[client], self._sent[client] = self._records[known], self._sent[known]
            return
        task, weights = self.plan.public_task(), wire.to_tensors(wire.arrays_of(message.content))
        at = Crafting(
            task=task,
            weights=task.split(weights),
            round=round,
            first=self.plan.server.begins,
            client=client,
            cohort=cohort,
            federation=self.plan.training(round),
            public=self.public,
        )
        made = crafted(self.manipulations, at, (self.plan.seed, "server"))
        made.require_finite(f"server, round {round}", "the manipulation made it so: lower its options")
        self._sent[client] = made
        same = next((one for one in self._records if _equal(self._sent[one], made)), None)
        self._records[client] = wire.to_arrays(made.state_dict()) if same is None else self._records[same]

    def _client(self, message: Message) -> int:
        return self.roster.client_of(message.metadata.dst_node_id)


class Manipulating(Layer):
    """Between tap and protocol: what clients are sent is crafted, so that the tap sees what each was really sent."""

    def __init__(self, inner: Layer, crafter: Crafter) -> None:
        super().__init__(inner)
        self._crafter = crafter

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        sent = self.leaving(list(messages))
        return self.inner.send_and_receive(sent, timeout=timeout)

    def leaving(self, messages: list[Message]) -> list[Message]:
        return [self._crafter.message(one, messages) for one in messages]


class Discarding(Layer):
    """Above the protocol: of a round with crafted weights the strategy gets back the model that it sent."""

    def __init__(self, inner: Layer, crafter: Crafter) -> None:
        super().__init__(inner)
        self._crafter = crafter

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        sent = list(messages)
        replies = self.inner.send_and_receive(sent, timeout=timeout)
        if not sent or not trains(sent[0]) or not self._crafter.discards(wire.round_of(sent[0].content)):
            return replies
        model = wire.arrays_of(sent[0].content)
        return [reply if reply.has_error() else _with(reply, model) for reply in replies]


def trains(message: Message) -> bool:
    """Whether a message asks for training; one without a model is a stage of a protocol beside it."""
    return message.metadata.message_type == MessageType.TRAIN and bool(message.content.array_records)


def shows_model(message: Message) -> bool:
    """Whether it has the model of the round, to train on or to sign first: a client is sent the same in both."""
    return trains(message) or message.metadata.message_type == wire.COMPARE


def _with(reply: Message, model: ArrayRecord) -> Message:
    """A reply with the model in place of what a client, or a sum, says that it became."""
    for name in reply.content.array_records:
        reply.content[name] = model
    return reply


def _equal(one: Weights, other: Weights) -> bool:
    return all(value.equal(other.state_dict()[name]) for name, value in one.state_dict().items())
