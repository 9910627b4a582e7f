"""Masking: a client's part in secure aggregation; its secrets never leave its own state.

A stage may reach another process than the one before, so what a client is in a round lies in the state that Flower
keeps for it.
"""

from dataclasses import dataclass

import numpy as np
from flwr.app import ConfigRecord, Context, RecordDict
from jaxtyping import UInt

from fedleak.accounting.mechanism import cohort_of
from fedleak.defenses.secure_aggregation import SecureAggregation
from fedleak.errors import FederationError
from fedleak.federation import wire
from fedleak.secure_aggregation.client import Client as Protocol
from fedleak.secure_aggregation.keys import Seeded, system
from fedleak.secure_aggregation.member import Member
from fedleak.secure_aggregation.state import State

from .client import Client, Trained
from .history import require_planned
from .identity import seeded_identity, seeded_registry

RECORD = "fedleak.secure-aggregation"
"""The record in the client's state."""
ROUND, KEPT = "round", "kept"


@dataclass(frozen=True)
class Seat:
    """A client's place in the round of secure aggregation that it is asked about."""

    client: Client
    defense: SecureAggregation
    protocol: Protocol

    @classmethod
    def of(cls, client: Client, context: Context) -> "Seat":
        """As its state has it, or at the beginning of a round that it does not know; refuses one that goes back."""
        defense = client.masking
        if defense is None:
            raise FederationError(
                "the server asks for a stage of secure aggregation, and the run has none; this client refuses"
            )
        require_planned(client.plan, client.round)
        member = _member(client, defense)
        record = context.state.config_records.get(RECORD)
        latest = 0 if record is None else int(str(record[ROUND]))
        if latest > client.round:
            raise FederationError(
                f"the server goes back to round {client.round} of secure aggregation, and this client is in round "
                f"{latest}; it refuses"
            )
        if record is None or latest < client.round:
            return cls(client, defense, Protocol.begin(member))
        kept = record[KEPT]
        return cls(client, defense, Protocol(member, State.from_bytes(kept if isinstance(kept, bytes) else b"")))

    def answer(self, stage: str, question: object, context: Context) -> ConfigRecord:
        """The answer to any stage but `masked`, which has one of its own."""
        ask = {"share": self.protocol.share, "confirm": self.protocol.confirm, "unmask": self.protocol.unmask}
        after, answer = self.protocol.advertise() if stage == "advertise" else ask[stage](question)
        self._keep(after, context)
        return ConfigRecord({wire.ANSWER: answer})

    def masked(self, content: RecordDict, trained: Trained, context: Context) -> UInt[np.ndarray, " entries"]:
        """What the client has to say after training, under its masks."""
        cohort = cohort_of(self.client.plan.federation)
        vector = self.defense.vector(trained.before, trained.after, trained.examples, cohort)
        model = self.defense.bound_to(wire.model_digest(content))
        after, answer = self.protocol.masked(wire.question_of(content), model, vector)
        self._keep(after, context)
        return answer

    def _keep(self, after: Protocol, context: Context) -> None:
        context.state[RECORD] = ConfigRecord({ROUND: self.client.round, KEPT: after.state.to_bytes()})


def _member(client: Client, defense: SecureAggregation) -> Member:
    floor = client.floor
    identity, registry = floor.identity, floor.registry
    if registry is None and defense.registry:
        if defense.keys == "system":
            raise FederationError(
                "the run says that nodes have a registry of identity keys, and this node has none; it refuses: give it "
                "registry and identity-key in its node config"
            )
        seed, clients = client.plan.seed, client.plan.federation.clients
        identity, registry = seeded_identity(seed, client.partition), seeded_registry(seed, clients)
    return Member(
        client=client.partition,
        session=defense.session(client.plan.session_name(client.round)),
        randomness=system if defense.keys == "system" else Seeded(client.seed_key),
        identity=identity,
        registry=registry,
        smallest_cohort=floor.smallest_cohort,
    )
