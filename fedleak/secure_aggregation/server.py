"""The server of secure aggregation: collects each stage's answers, bears with clients that leave, opens the sum.

Bonawitz et al., https://doi.org/10.1145/3133956.3133982, figure 4, on the graph of Bell et al.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Set

import numpy as np
from jaxtyping import UInt

from fedleak.errors import FederationError

from . import messages, shamir
from .keys import KeyPair, verify
from .masks import RINGS, Stream, apply
from .messages import STAGES, Session, Table, listed
from .roster import Roster, TooFewError, admit


class Server:
    """One round: `receive` the answers to a stage as they come, then `close` it for the questions of the next.

    The first stage, `advertise`, has no question. A client whose answer is refused, or has not come when its stage
    is closed, is gone from there on. Closing raises where fewer than the threshold of somebody's neighbourhood are
    left: the round is lost, and on a complete graph nothing was revealed. After the last stage, `total` is the sum of
    the survivors.
    """

    def __init__(
        self,
        session: Session,
        clients: Iterable[int],
        entries: int,
        model: bytes,
        registry: Mapping[int, bytes] | None = None,
    ) -> None:
        """`entries` is the length of every vector, and `model` the SHA-256 of the model that all were sent."""
        self.session = session
        self.stage: str | None = STAGES[0]
        self._sum: UInt[np.ndarray, " entries"] = np.zeros(entries, RINGS[session.ring_bits])
        self._opened = False
        self._model = model
        self._registry = registry
        self._asked: Set[int] = frozenset(clients)
        self._answers: dict[int, Table] = {}
        self._keys: set[bytes] = set()
        self._roster = Roster(session, {})
        self._near: dict[int, Set[int]] = {}
        self._shared: Set[int] = frozenset()
        self._survivors: Set[int] = frozenset()
        self._statement = b""

    @property
    def survivors(self) -> tuple[int, ...]:
        """Whose vectors are in the sum, in ascending order; nobody before the stage `masked` is closed."""
        return tuple(sorted(self._survivors))

    @property
    def total(self) -> UInt[np.ndarray, " entries"]:
        """The sum of the survivors' vectors; raises as long as it is masked."""
        if not self._opened:
            raise FederationError("secure-aggregation: the sum must be unmasked in the last stage, and it is not")
        return self._sum

    def receive(self, client: int, answer: object) -> None:
        """Takes a client's answer to the current stage; raises for one that was not asked for or is none.

        Bytes, but for the stage `masked`: a vector of the ring's elements.
        """
        if client not in self._asked or client in self._answers or self.stage is None:
            trouble = "has answered before" if client in self._answers else "was not asked"
            raise FederationError(
                f"secure-aggregation: an answer to '{self.stage or 'nothing'}' must come once from each client that "
                f"was asked, and client {client} {trouble}"
            )
        readers = (self._advertised, self._sealed, self._masked, self._confirmed, self._revealed)
        self._answers[client] = readers[STAGES.index(self.stage)](client, answer)

    def close(self) -> dict[int, bytes]:
        """Ends the current stage; the question of the next for each client that is left, or none after the last."""
        if self.stage is None:
            raise FederationError("secure-aggregation: a round must have a stage left to close, and this one is over")
        closers = (self._to_share, self._to_mask, self._to_confirm, self._to_unmask, self._open)
        place = STAGES.index(self.stage)
        try:
            questions = closers[place](self._answers)
        except FederationError:
            self.stage = None
            raise
        self.stage = STAGES[place + 1] if place + 1 < len(STAGES) else None
        self._asked, self._answers = questions.keys(), {}
        return questions

    # Reading an answer.

    def _advertised(self, client: int, answer: object) -> Table:
        row = messages.ADVERTISEMENT.of_client(self.session, answer, client)
        self._keys.update(admit(self.session, client, row, self._registry, self._keys).keys)
        return {client: row}

    def _sealed(self, client: int, answer: object) -> Table:
        boxes = messages.SEALED.from_bytes(self.session, answer, f"client {client}")
        return self._exactly(client, boxes, self._near[client] - {client})

    def _masked(self, client: int, answer: object) -> Table:
        expected = self._sum
        if not isinstance(answer, np.ndarray) or answer.dtype != expected.dtype or answer.shape != expected.shape:
            came = f"{answer.dtype} of shape {answer.shape}" if isinstance(answer, np.ndarray) else type(answer)
            raise FederationError(
                f"secure-aggregation: client {client} must send a masked vector of {len(expected)} elements of "
                f"{self.session.ring_bits} bits, and sent {came}"
            )
        np.add(expected, answer, out=expected)
        return {}

    def _confirmed(self, client: int, answer: object) -> Table:
        signature = messages.CONFIRMATION.of_client(self.session, answer, client)
        verify(self._roster.advertised[client].identity, signature, self._statement, client)
        return {client: signature}

    def _revealed(self, client: int, answer: object) -> Table:
        shares = messages.SHARES.from_bytes(self.session, answer, f"client {client}")
        for owner, share in self._exactly(client, shares, self._near[client] & self._shared).items():
            if share[:1] != (messages.OWN if owner in self._survivors else messages.PAIR):
                raise FederationError(
                    f"secure-aggregation: client {client} must give the share of client {owner} that its being "
                    f"{'there' if owner in self._survivors else 'gone'} asks for, and gave another"
                )
            shamir.check(share[1:], owner, client)
        return shares

    @staticmethod
    def _exactly(client: int, table: Table, expected: Set[int]) -> Table:
        if table.keys() != expected:
            raise FederationError(
                f"secure-aggregation: client {client} must send something for {listed(expected)}, and sent it for "
                f"{listed(table)}"
            )
        return table

    # Closing a stage.

    def _to_share(self, answers: Mapping[int, Table]) -> dict[int, bytes]:
        self._roster = Roster(
            self.session, {client: row for table in answers.values() for client, row in table.items()}
        )
        degree, left = self.session.degree, len(answers)
        enough = left >= self.session.smallest_cohort and degree.neighbourhood(left) >= degree.threshold
        self._lost_unless(enough, f"{left} clients are left")
        try:
            self._roster.check(self._registry, self.session.smallest_cohort)
        except FederationError as error:
            raise FederationError(f"{error}, so the round is lost in stage '{self.stage}'") from error
        self._near = {client: frozenset({client, *self._roster.neighbours(client)}) for client in answers}
        return dict.fromkeys(answers, self._roster.message)

    def _to_mask(self, answers: Mapping[int, Table]) -> dict[int, bytes]:
        self._shared = frozenset(answers)
        self._enough(self._shared)
        return {
            client: messages.DELIVERED.to_bytes(
                self.session,
                {sender: answers[sender][client] for sender in self._near[client] - {client} if sender in answers},
            )
            for client in answers
        }

    def _to_confirm(self, answers: Mapping[int, Table]) -> dict[int, bytes]:
        self._survivors = frozenset(answers)
        self._enough(self._survivors)
        self._statement = self._roster.survivors_statement(self._survivors, self._model)
        return dict.fromkeys(answers, messages.SURVIVORS.to_bytes(self.session, dict.fromkeys(answers, b"")))

    def _to_unmask(self, answers: Mapping[int, Table]) -> dict[int, bytes]:
        self._enough(answers.keys())
        return {
            client: messages.CONFIRMATIONS.to_bytes(self.session, self._signed(client, answers)) for client in answers
        }

    def _signed(self, client: int, answers: Mapping[int, Table]) -> Table:
        """As many signatures as a client asks for, its own among them: checking one takes as long as an exchange."""
        others = sorted(self._near[client] & answers.keys() - {client})[: self.session.degree.threshold - 1]
        return {signer: answers[signer][signer] for signer in (client, *others)}

    def _open(self, answers: Mapping[int, Table]) -> dict[int, bytes]:
        self._enough(answers.keys())
        secrets = self._rebuilt(answers)
        apply(self._sum, (stream.removed for stream in self._masks_left(secrets)), self.session.cipher)
        self._opened = True
        return {}

    # The threshold.

    @property
    def _owners(self) -> list[int]:
        """Whose secrets must be rebuilt: all that shared, but for one gone whose masks are in no survivor's vector."""
        left = self._survivors or self._shared
        return sorted(client for client in self._shared if self._near[client] & left)

    def _enough(self, holders: Set[int]) -> None:
        """Loses the round where fewer than the threshold of somebody's neighbourhood are among the holders."""
        self._lost_unless(len(holders) >= self.session.smallest_cohort, f"{len(holders)} clients are left")
        for client in self._owners:
            found = len(self._near[client] & holders)
            self._lost_unless(
                found >= self.session.degree.threshold, f"{found} of the neighbourhood of client {client} are left"
            )

    def _lost_unless(self, enough: bool, found: str) -> None:
        if not enough:
            least = f"{self.session.smallest_cohort} clients and {self.session.degree.threshold} of each neighbourhood"
            raise TooFewError(
                f"secure-aggregation: stage '{self.stage}' must end with {least}, and {found}, so the round is lost"
            )

    # Rebuilding secrets, and the masks that follow from them.

    def _rebuilt(self, answers: Mapping[int, Table]) -> Iterator[tuple[int, bytes]]:
        """For each client whose masks are in the sum the seed of its own mask, or its mask key if it is gone."""
        weights: dict[tuple[int, ...], shamir.Weights] = {}
        for owner in self._owners:
            holders = sorted(self._near[owner] & answers.keys())[: self.session.degree.threshold]
            points = tuple(holder + 1 for holder in holders)
            if points not in weights:
                weights[points] = shamir.weights(points)
            shares = {holder + 1: answers[holder][owner][1:] for holder in holders}
            secret = shamir.join(weights[points], shares, owner)
            if not self._is_as_advertised(owner, secret):
                raise FederationError(f"secure-aggregation: {shamir.forged(owner)}, so the round is lost")
            yield owner, secret

    def _is_as_advertised(self, owner: int, secret: bytes) -> bool:
        one = self._roster.advertised[owner]
        if owner in self._survivors:
            return hashlib.sha256(secret).digest() == one.commitment
        return KeyPair(secret).public == one.mask

    def _masks_left(self, secrets: Iterable[tuple[int, bytes]]) -> Iterator[Stream]:
        """Every mask that is still in the sum."""
        for owner, secret in secrets:
            if owner in self._survivors:
                yield self._roster.own_mask(secret, owner, self._model)
                continue
            pair = KeyPair(secret)
            for other in self._survivors & self._near[owner]:
                # As the survivor put it there: the opposite of what the one that is gone would have done.
                yield self._roster.pair_mask(pair, owner, other, self._model).removed
