"""A client of secure aggregation: five stages, each a question of the server's and the answer to it.

Bonawitz et al., https://doi.org/10.1145/3133956.3133982, figure 4, with the graph of Bell et al. and masks bound to
the model received, as Pasquini et al. ask for (https://doi.org/10.1145/3548606.3560557).
"""

import hashlib
from collections.abc import Iterator, Set
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
from jaxtyping import UInt

from fedleak.errors import FederationError

from . import messages
from .keys import KEY, KeyPair, Seeded, derive, identity_key, sign, verify
from .masks import RINGS, Stream, masked
from .member import Member
from .messages import Advertisement, Session, Table
from .roster import Roster, subset
from .shamir import SHARE, split
from .state import State

SERVER = "the server"


@dataclass(frozen=True)
class Client:
    """A client in a session, after the stages it has answered.

    Each stage gives the client as it is after it, and the answer. A stage asked again with the same content gives the
    same answer; with another, or out of turn, or with anything that a question must not be, it raises FederationError.
    Keep `state.to_bytes()` between stages and begin no session twice: with seeded keys its secrets would be the same.
    """

    member: Member
    state: State

    @classmethod
    def begin(cls, member: Member) -> "Client":
        """A client with new keys that has answered nothing."""
        draw = partial(member.randomness, KEY, member.session.digest)
        identity = member.identity or draw("identity key")
        encryption, mask, own = (draw(purpose) for purpose in ("encryption key", "mask key", "own mask"))
        return cls(member, State(encryption, mask, own, identity))

    def advertise(self) -> tuple["Client", bytes]:
        """The client's public keys, signed."""
        if answer := self._again("advertise", b""):
            return self, answer
        answer = messages.ADVERTISEMENT.to_bytes(self._session, {self._own: self._advertisement.to_bytes()})
        return self._after("advertise", b"", answer)

    def share(self, question: object) -> tuple["Client", bytes]:
        """For each neighbour a box with its shares of this client's secrets; the question is the roster."""
        if answer := self._again("share", question):
            return self, answer
        rows = messages.ROSTER.from_bytes(self._session, question, SERVER)
        client = self._with(roster=rows)
        client._check_roster()
        dealt = client._dealt()
        client = client._with(shares={self._own: dealt.pop(self._own)})
        boxes = {to: client._roster.box(self._encryption, self._own, to, shares) for to, shares in dealt.items()}
        return client._after("share", question, messages.SEALED.to_bytes(self._session, boxes))

    def ready(self, question: object) -> None:
        """Refuses what `masked` would refuse whatever the vector: before one is made of what nobody may learn."""
        if "masked" not in {stage for stage, _, _ in self.state.answered}:
            self.state.answer("masked", b"", self._own)
            self._opened(question)

    def masked(
        self, question: object, model: bytes, vector: UInt[np.ndarray, " entries"]
    ) -> tuple["Client", UInt[np.ndarray, " entries"]]:
        """The vector under this client's masks; the question is its neighbours' boxes.

        `model` is the SHA-256 of the model received, 32 bytes: clients that were sent different ones have masks that
        cancel nothing. Another model or another vector is another content: masks are used once.
        """
        if vector.dtype != RINGS[self._session.ring_bits] or len(model) != KEY:
            raise FederationError(
                f"secure-aggregation: what is masked are elements of {self._session.ring_bits} bits, for the SHA-256 "
                f"of a model, and {vector.dtype} and {len(model)} bytes came"
            )
        given = _content(question) + model + hashlib.sha256(np.ascontiguousarray(vector).data).digest()
        client = self
        if not self._again("masked", given):
            shares = {**self.state.shares, **self._opened(question)}
            client, _ = self._with(shares=shares, model=model)._after("masked", given, b"made anew from the state")
        return client, masked(vector, client._masks(), self._session.cipher)

    def confirm(self, question: object) -> tuple["Client", bytes]:
        """A signature under the list of survivors, which is the question."""
        if answer := self._again("confirm", question):
            return self, answer
        survivors = messages.SURVIVORS.from_bytes(self._session, question, SERVER)
        self._check_survivors(survivors.keys())
        client = self._with(survivors=tuple(survivors))
        signature = sign(self.state.identity, client._statement)
        return client._after("confirm", question, messages.CONFIRMATION.to_bytes(self._session, {self._own: signature}))

    def unmask(self, question: object) -> tuple["Client", bytes]:
        """One share for each client of the neighbourhood; the question is the neighbourhood's signatures.

        Of a survivor's own mask, or of the mask key of one that left after it shared; never of both.
        """
        if answer := self._again("unmask", question):
            return self, answer
        self._check_signatures(messages.CONFIRMATIONS.from_bytes(self._session, question, SERVER))
        return self._after("unmask", question, messages.SHARES.to_bytes(self._session, self._revealed()))

    # What was answered before.

    def _again(self, stage: str, question: object) -> bytes | None:
        """The answer given before to the same content, if one was; refuses another, and a stage out of turn."""
        return self.state.answer(stage, hashlib.sha256(_content(question)).digest(), self._own)

    def _after(self, stage: str, question: object, answer: bytes) -> tuple["Client", bytes]:
        record = (stage, hashlib.sha256(_content(question)).digest(), answer)
        return self._with(answered=(*self.state.answered, record)), answer

    def _with(self, **changes: object) -> "Client":
        after = replace(self, state=replace(self.state, **changes))  # type: ignore[arg-type]
        if "roster" not in changes:
            vars(after)["_roster"] = self._roster  # read once a stage
        return after

    # What a client refuses.

    def _check_roster(self) -> None:
        if self.state.roster.get(self._own) != self._advertisement.to_bytes():
            raise FederationError(
                f"secure-aggregation: the roster must hold the keys of client {self._own} as it advertised them, and "
                f"{'holds others' if self._own in self.state.roster else 'holds none'}"
            )
        self._roster.check(self.member.registry, self.member.least)
        # Of everybody, as forged keys of strangers would choose who is whose neighbour. Without a registry the server
        # can sign for all, so a signature says nothing.
        if self.member.registry is not None:
            self._roster.verify()

    def _check_survivors(self, survivors: Set[int]) -> None:
        subset(survivors, self.state.roster.keys(), "the list of survivors")
        subset(survivors & set(self._neighbours), self.state.shares.keys(), "the list of survivors")
        if self._own not in survivors:
            raise FederationError(
                f"secure-aggregation: the list of survivors must hold client {self._own}, who is asked to sign it, "
                "and does not"
            )
        if len(survivors) < self.member.least:
            raise FederationError(
                f"secure-aggregation: client {self._own} lets a sum be opened over at least {self.member.least} "
                f"clients, and the list of survivors holds {len(survivors)}"
            )
        self._roster.enough(self._own, survivors, "survive")

    def _check_signatures(self, signatures: Table) -> None:
        near = {self._own, *self._neighbours} & set(self.state.survivors)
        subset(signatures.keys(), near, f"the signatures for client {self._own}")
        statement = self._statement
        for client, signature in signatures.items():
            if client != self._own:
                verify(self._roster.advertised[client].identity, signature, statement, client)
        self._roster.enough(self._own, signatures.keys() | {self._own}, "sign the same list of survivors")

    # What a client computes.

    def _dealt(self) -> dict[int, bytes]:
        """For everyone in the neighbourhood, its share of the mask key and its share of the own mask's seed.

        Coefficients follow from a key that is never shared, so that whoever deals again, having forgotten that it did,
        deals the same: two sharings in boxes of one key would open each other.
        """
        clients = (self._own, *self._neighbours)
        points = [client + 1 for client in clients]
        secrets = {"mask key": self.state.mask, "own mask": self.state.own}
        threshold = self._session.degree.threshold
        draw = Seeded((derive(self.state.encryption, "coefficients", self._roster.context),))
        keys, seeds = (
            split(secret, points, threshold, draw, self._roster.context, name) for name, secret in secrets.items()
        )
        return {client: key + seed for client, key, seed in zip(clients, keys, seeds, strict=True)}

    def _opened(self, question: object) -> dict[int, bytes]:
        """The pair of shares in each box; every one must open, and there must be enough."""
        boxes = messages.DELIVERED.from_bytes(self._session, question, SERVER)
        subset(boxes.keys(), set(self._neighbours), f"the boxes for client {self._own}")
        self._roster.enough(self._own, boxes.keys() | {self._own}, "share its secrets")
        return {sender: self._roster.unbox(self._encryption, sender, self._own, box) for sender, box in boxes.items()}

    def _masks(self) -> Iterator[Stream]:
        """The own mask, and one for each neighbour whose box came."""
        yield self._roster.own_mask(self.state.own, self._own, self.state.model)
        pair = KeyPair(self.state.mask)
        for other in self.state.shares.keys() - {self._own}:
            yield self._roster.pair_mask(pair, self._own, other, self.state.model)

    def _revealed(self) -> dict[int, bytes]:
        survived = set(self.state.survivors)
        return {
            client: messages.OWN + shares[SHARE:] if client in survived else messages.PAIR + shares[:SHARE]
            for client, shares in self.state.shares.items()
        }

    @property
    def _own(self) -> int:
        return self.member.client

    @property
    def _session(self) -> Session:
        return self.member.session

    @cached_property
    def _encryption(self) -> KeyPair:
        return KeyPair(self.state.encryption)

    @cached_property
    def _advertisement(self) -> Advertisement:
        state = self.state
        public = (self._encryption.public, KeyPair(state.mask).public, identity_key(state.identity))
        plain = Advertisement(*public, hashlib.sha256(state.own).digest())
        return replace(plain, signature=sign(state.identity, plain.statement(self._session, self._own)))

    @cached_property
    def _roster(self) -> Roster:
        return Roster(self._session, self.state.roster)

    @cached_property
    def _neighbours(self) -> tuple[int, ...]:
        return self._roster.neighbours(self._own)

    @property
    def _statement(self) -> bytes:
        return self._roster.survivors_statement(self.state.survivors, self.state.model)


def _content(question: object) -> bytes:
    """What a question is compared by; one that is no bytes is refused when it is read."""
    return question if isinstance(question, bytes) else repr(type(question)).encode()
