"""Recorder: turns what crossed the wire into recordings on disk."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from flwr.app import ArrayRecord, RecordDict
from numpy.typing import NDArray

from fedleak.contracts import manipulated
from fedleak.contracts.chain import Chain
from fedleak.contracts.manipulation import Isolation
from fedleak.defenses.homomorphic_aggregation import HomomorphicAggregation
from fedleak.defenses.secure_aggregation import SecureAggregation, masking_of
from fedleak.defenses.secure_aggregation_flower import SecureAggregationFlower
from fedleak.federation import secagg_plus, wire
from fedleak.federation.plan import FederationPlan
from fedleak.learning.mean_change import MeanChange
from fedleak.learning.task import Task
from fedleak.learning.training import LocalTraining, batches_in
from fedleak.learning.weights import NamedTensors, Weights
from fedleak.recording.files import read_recording, write_recording
from fedleak.recording.payload import CIPHERTEXT, CUT, OWN_SEED, RING, TRUSTED, Payload, in_memory, ring_asked, stem_of
from fedleak.recording.recording import Recording
from fedleak.recording.sent import write_sent
from fedleak.secure_aggregation.masks import RINGS
from fedleak.secure_aggregation.messages import ROSTER, Advertisement
from fedleak.secure_aggregation.ring import Elements


@dataclass(frozen=True)
class Recorder:
    """Writes one pair of files for each reply, and one for each sum that secure aggregation reveals."""

    plan: FederationPlan
    public_keys: dict[str, str] = field(default_factory=dict)
    """Each client's public key for masks in the round of secure aggregation that is going on, in hexadecimal."""
    sent: dict[int, Weights] = field(default_factory=dict)
    """What each client was last sent, by a server that sends crafted weights."""
    counts: dict[int, int | None] = field(default_factory=dict)
    """How many examples each said that it trained on, in the same message; None where that is masked."""
    relayed: dict[int, dict[str, str]] = field(default_factory=dict)
    """The same by the client that they were relayed to, where not all are to all."""

    def weights(self, sent: RecordDict) -> Weights:
        """The weights in a message to a client."""
        return self._task.split(wire.to_tensors(wire.arrays_of(sent)))

    def heard(self, client: int, before: Weights, received: RecordDict) -> None:
        """Keeps what one client was sent, and the number of examples that it says, for a sum over several."""
        self.sent[client] = before
        flower = self._chain.protocol is not None and self._chain.protocol.protocol == SecureAggregationFlower.protocol
        self.counts[client] = secagg_plus.examples_of(received) if flower else None

    def reply(self, client: int, before: Weights, sent: RecordDict, received: RecordDict) -> None:
        """Records what one client was sent, weights `before` among it, and what it sent back."""
        protocol = self._chain.protocol
        write = {
            None: self._clear,
            SecureAggregation.protocol: self._masked,
            SecureAggregationFlower.protocol: self._masked_by_flower,
            HomomorphicAggregation.protocol: self._encrypted,
        }
        write[None if protocol is None else protocol.protocol](client, wire.round_of(sent), before, received)

    def aggregate(
        self, cohort: tuple[int, ...], round: int, before: Weights, total: Elements, opened: MeanChange
    ) -> None:
        """Records the sum that secure aggregation revealed, as it is in the ring, in the rounds that are recorded."""
        if self.plan.recorded(round):
            before, isolated = self._isolated(cohort, before, round)
            cut = {CUT: float(opened.cut)} if opened.cut else {}
            self._write(
                "aggregate", cohort, round, before, {RING: in_memory(total)}, opened.examples, cut, isolation=isolated
            )

    def model(self, round: int, arrays: ArrayRecord) -> None:
        """Records the model after a round."""
        weights = self._task.split(wire.to_tensors(arrays))
        self._write("model", tuple(range(self.plan.federation.clients)), round, weights, {}, None, {})

    def mean(self, cohort: tuple[int, ...], round: int, before: Weights, state: NamedTensors, examples: int) -> None:
        """Records the mean of weights that Flower's own protocol reveals, in the rounds that are recorded."""
        if self.plan.recorded(round):
            known, isolated = self._isolated(cohort, before, round)
            payload = self._moved(cohort, state, before, known)
            self._write("aggregate", cohort, round, known, payload, examples, {}, isolation=isolated)

    def _isolated(self, cohort: tuple[int, ...], before: Weights, round: int) -> tuple[Weights, Isolation | None]:
        """What the clients of a sum were really sent, of several models the victim's; and what it says of that one."""
        sent = {client: self.sent[client] for client in cohort if client in self.sent}
        if not self.plan.server.chain or not sent:
            return before, None
        found = manipulated.isolation(self.plan.manipulations(), self._task, sent)
        self._write_sent(round, sent)
        victim = next(iter(sent)) if found is None or found.victim not in sent else found.victim
        return sent[victim], None if found is None else replace(found, examples=self.counts.get(found.victim))

    def _parts(self, cohort: tuple[int, ...]) -> tuple[int, ...]:
        """Where in what is planted each client of a sum went; nothing where all went to one place."""
        sent = {client: self.sent[client] for client in cohort if client in self.sent}
        found = manipulated.parts(self.plan.manipulations(), self._task, sent)
        return tuple(found[client] for client in cohort) if found.keys() >= set(cohort) else ()

    def _write_sent(self, round: int, sent: dict[int, Weights]) -> None:
        """Keeps what clients were sent whose messages are not recorded, where that is not the same for all."""
        unseen = {client: one for client, one in sent.items() if not self.plan.adversary.attacks(client)}
        if unseen and len({id(one) for one in sent.values()}) > 1:
            write_sent(Path(self.plan.recordings), round, unseen)

    def _moved(self, cohort: tuple[int, ...], state: NamedTensors, model: Weights, before: Weights) -> NamedTensors:
        """A mean as one of changes from what one client was sent, where that is not the strategy's `model`.

        Of ciphertexts it is that model with the mean change, else the mean of weights that began with what was sent.
        """
        if isinstance(self._chain.protocol, HomomorphicAggregation):
            return state if before is model else _shifted(state, model, before)
        sent = {client: self.sent[client].state_dict() for client in cohort if client in self.sent}
        if len({id(self.sent[client]) for client in sent}) < 2:
            return state
        counts = {client: self.counts.get(client) or 1 for client in sent}
        total = sum(counts.values())
        return {
            name: value
            + before.state_dict()[name]
            - sum(counts[one] * sent[one][name].double() for one in sent) / total
            for name, value in state.items()
        }

    def unmasked(self, client: int, round: int, seed: int) -> None:
        """Adds to a recorded vector the seed of the client's own mask, which the server learned to remove it."""
        path = Path(self.plan.recordings) / stem_of("masked", (client,), round).with_suffix(".json")
        if self.plan.recorded(round) and path.exists():
            recording = read_recording(path)
            if recording.kind == "masked":
                payload = {**recording.payload, OWN_SEED: torch.tensor([seed])}
                write_recording(Path(self.plan.recordings), replace(recording, payload=payload))

    def overhear(self, sent: RecordDict) -> None:
        """Keeps the public keys that the server relays in a round of secure aggregation."""
        masking, question = masking_of(self._chain), wire.question_of(sent)
        if masking is None:
            return
        session = masking.session(self.plan.session_name(wire.round_of(sent)))
        rows = ROSTER.from_bytes(session, question, "the server")
        self.public_keys.clear()
        self.public_keys.update({str(client): Advertisement.from_bytes(row).mask.hex() for client, row in rows.items()})

    def _clear(self, client: int, round: int, before: Weights, received: RecordDict) -> None:
        metrics = wire.metrics_of(received)
        examples = metrics.pop(wire.NUM_EXAMPLES, None)
        state = wire.to_tensors(wire.arrays_of(received))
        self._write("weights", (client,), round, before, state, None if examples is None else int(examples), metrics)

    def _masked(self, client: int, round: int, before: Weights, received: RecordDict) -> None:
        vector = wire.answer_of(received)
        if isinstance(vector, np.ndarray) and self._fits(vector, before):  # whatever else came, the server refuses
            payload, metrics = {RING: in_memory(vector)}, wire.metrics_of(received)
            self._write("masked", (client,), round, before, payload, None, metrics, self.public_keys)

    def _masked_by_flower(self, client: int, round: int, before: Weights, received: RecordDict) -> None:
        vector = secagg_plus.masked_vector(received)
        if vector is not None and self._fits(vector, before):
            examples, metrics = secagg_plus.examples_of(received), secagg_plus.metrics_of(received)
            keys = self.relayed.get(client, {})
            self._write("masked", (client,), round, before, {RING: in_memory(vector)}, examples, metrics, keys)

    def _fits(self, vector: NDArray[Any], before: Weights) -> bool:
        """Whether it is one over the ring, and as long, as network and defense ask for."""
        bits, entries = ring_asked(self._chain, before, lambda: self._task)
        return vector.dtype == RINGS[bits] and vector.shape == (entries,)

    def _encrypted(self, client: int, round: int, before: Weights, received: RecordDict) -> None:
        answer = wire.answer_of(received)
        if isinstance(answer, bytes):
            payload = {CIPHERTEXT: torch.frombuffer(bytearray(answer), dtype=torch.uint8)}
            self._write("masked", (client,), round, before, payload, None, wire.metrics_of(received))

    def _write(
        self,
        kind: Payload,
        cohort: tuple[int, ...],
        round: int,
        before: Weights,
        payload: NamedTensors,
        examples: int | None,
        metrics: dict[str, float],
        public_keys: dict[str, str] | None = None,
        isolation: Isolation | None = None,
    ) -> None:
        trusted = {} if isolation is None else isolation.trusted
        recording = Recording(
            settings=self.plan.task,
            before=before,
            payload={**payload, **{TRUSTED + name: one.bool() for name, one in trusted.items()}},
            kind=kind,
            cohort=cohort,
            round=round,
            num_examples=examples,
            training=self.known_training(examples if kind in ("weights", "masked") else None),
            chain=self._chain,
            defense=self.plan.defense,
            seed=self.plan.seed,
            metrics=metrics,
            public_keys=public_keys or {},
            tampering=self.plan.tampering(),
            split=self.plan.federation.split,
            server=self.plan.server.name,
            manipulations=self.plan.manipulations(),
            victim=None if isolation is None else isolation.victim,
            victim_examples=None if isolation is None else isolation.examples,
            parts=self._parts(cohort) if kind == "aggregate" else (),
        )
        write_recording(Path(self.plan.recordings), recording)

    def known_training(self, examples: int | None) -> LocalTraining:
        """The facts that the adversary knows; a client that trains on its whole share gives its batches away."""
        training = self.plan.training().training()
        if training.batches is None and examples is not None:
            training = replace(training, batches=batches_in(examples, training))
        return training.hiding(self.plan.adversary.unknown)

    @cached_property
    def _task(self) -> Task:
        return self.plan.public_task()

    @cached_property
    def _chain(self) -> Chain:
        return self.plan.defenses()


def _shifted(state: NamedTensors, model: Weights, before: Weights) -> NamedTensors:
    old, new = model.state_dict(), before.state_dict()
    return {name: value + (new[name].double() - old[name].double()) for name, value in state.items()}
