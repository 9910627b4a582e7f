"""Two lists of survivors under our protocol, with the victim and without it, that the others are asked to sign."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial

import numpy as np
from flwr.app import Message, RecordDict

from fedleak.defenses.secure_aggregation import SecureAggregation, masking_of
from fedleak.errors import FederationError
from fedleak.federation import wire
from fedleak.recording.payload import RING, in_memory
from fedleak.secure_aggregation import messages as layouts
from fedleak.secure_aggregation import shamir
from fedleak.secure_aggregation.keys import KeyPair
from fedleak.secure_aggregation.masks import Stream, masked
from fedleak.secure_aggregation.messages import Layout, Session, Table
from fedleak.secure_aggregation.ring import Elements
from fedleak.secure_aggregation.roster import Roster as Keys

from ...layer import Layer, answered
from ...roster import greeting
from .place import Place

STAGES: Mapping[str, str] = {kind: stage for stage, kind in wire.MESSAGE_TYPES.items()}


class TwoLists(Layer):
    """Below the protocol: keeps what passes of a round and, once that is over, asks for what is missing."""

    def __init__(self, inner: Layer, victim: int, place: Place) -> None:
        super().__init__(inner)
        defense = masking_of(place.plan.defenses())
        assert defense is not None
        self._defense: SecureAggregation = defense
        self._victim = victim
        self._place = place
        self._heard: dict[str, dict[int, tuple[RecordDict, RecordDict]]] = {}
        """By stage and client the question and the answer, in the round that is going on."""

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        sent = list(messages)
        replies = list(self.inner.send_and_receive(sent, timeout=timeout))
        stage = STAGES.get(sent[0].metadata.message_type) if sent else None
        if stage is None or not self._place.lies_in(round := wire.round_of(sent[0].content)):
            return replies
        if stage == "advertise":
            self._heard.clear()
        asked = {self._place.client_of(message): message.content for message in self.leaving(sent)}
        self._heard[stage] = {
            client: (asked[client], reply.content)
            for client, reply in ((self._place.roster.client_of(one.metadata.src_node_id), one) for one in replies)
            if not reply.has_error()
        }
        if stage == "unmask" and self._victim in self._heard.get("masked", {}):
            self._lie(round, timeout)
        return replies

    def _lie(self, round: int, timeout: float | None) -> None:
        """Opens the victim's vector, where the others sign for its absence too."""
        session = self._defense.session(self._place.plan.session_name(round))
        relayed = wire.question_of(self._heard["share"][self._victim][0])
        keys = Keys(session, layouts.ROSTER.from_bytes(session, relayed, "the server"))
        others = sorted({*self._heard["confirm"]} - {self._victim})
        ask = partial(self._asked, session, round, timeout)
        signed = ask("confirm", dict.fromkeys(others, dict.fromkeys(others, b"")))
        shared = ask("unmask", {client: self._near(keys, client, signed) for client in signed})
        own = self._shares(layouts.OWN, {one: self._table(session, "unmask", one) for one in self._heard["unmask"]})
        pair = self._shares(layouts.PAIR, shared)
        if min(len(own), len(pair)) >= session.degree.threshold:
            self._open(round, keys, self._joined(own, session), KeyPair(self._joined(pair, session)))

    @staticmethod
    def _near(keys: Keys, client: int, signed: Mapping[int, Table]) -> Table:
        """The signatures of a client's neighbourhood, its own among them."""
        return {one: signed[one][one] for one in (client, *keys.neighbours(client)) if one in signed}

    def _asked(
        self, session: Session, round: int, timeout: float | None, stage: str, tables: Mapping[int, Table]
    ) -> dict[int, Table]:
        """What those clients answer that believe it."""
        layout, reads = KINDS[stage]
        config = greeting(**{wire.ROUND: round})
        sent = [
            Message(
                RecordDict({wire.CONFIG: config, **wire.asking(layout.to_bytes(session, table))}),
                self._place.roster.node_of(client),
                wire.MESSAGE_TYPES[stage],
            )
            for client, table in tables.items()
        ]
        found = {}
        with self._place.aside(round):
            for message, reply in answered(sent, self._place.roster.send_and_receive(sent, timeout=timeout)):
                if not reply.has_error():
                    client = self._place.client_of(message)
                    found[client] = reads.from_bytes(session, wire.answer_of(reply.content), f"client {client}")
        return found

    def _table(self, session: Session, stage: str, client: int) -> Table:
        return KINDS[stage][1].from_bytes(session, wire.answer_of(self._heard[stage][client][1]), f"client {client}")

    def _shares(self, kind: bytes, tables: Mapping[int, Table]) -> dict[int, bytes]:
        """The shares of the victim's secret of a kind, by holder."""
        found = {holder: table[self._victim] for holder, table in tables.items() if self._victim in table}
        return {holder: share[1:] for holder, share in found.items() if share[:1] == kind}

    def _joined(self, shares: Mapping[int, bytes], session: Session) -> bytes:
        points = {holder + 1: share for holder, share in sorted(shares.items())[: session.degree.threshold]}
        return shamir.join(shamir.weights(tuple(points)), points, self._victim)

    def _open(self, round: int, keys: Keys, seed: bytes, pair: KeyPair) -> None:
        question, answer = self._heard["masked"][self._victim]
        boxes = layouts.DELIVERED.from_bytes(keys.session, wire.question_of(question), "the server")
        model = self._defense.bound_to(wire.model_digest(question))

        def masks() -> Iterator[Stream]:
            yield keys.own_mask(seed, self._victim, model).removed
            for other in boxes:
                yield keys.pair_mask(pair, self._victim, other, model).removed

        vector = wire.answer_of(answer)
        assert isinstance(vector, np.ndarray)
        bare: Elements = masked(vector, masks(), keys.session.cipher)
        try:
            examples = self._defense.opened(bare).examples
        except FederationError:  # shares that fit no secret
            return
        self._place.keep(self._victim, round, {RING: in_memory(bare)}, examples)


KINDS: Mapping[str, tuple[Layout, Layout]] = {
    "confirm": (layouts.SURVIVORS, layouts.CONFIRMATION),
    "unmask": (layouts.CONFIRMATIONS, layouts.SHARES),
}
"""By stage what is asked and what is answered."""
