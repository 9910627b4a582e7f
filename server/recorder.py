"""Turns what crossed the wire into recordings on disk."""

from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil
from pathlib import Path

from flwr.app import RecordDict

from fedleak.defense import Defense, protocol_of
from fedleak.defenses.secure_aggregation import SecureAggregation, masked_deltas
from fedleak.federation import wire
from fedleak.federation.plan import FederationPlan
from fedleak.recording import Payload, Recording, write_recording
from fedleak.task import Task
from fedleak.tasks import task_named
from fedleak.training import LocalTraining
from fedleak.weights import NamedTensors


@dataclass(frozen=True)
class Recorder:
    """Writes one pair of files for each reply, and one for each sum that secure aggregation reveals."""

    plan: FederationPlan

    def reply(self, client: int, sent: RecordDict, received: RecordDict) -> None:
        """Records what one client was sent and what it sent back."""
        if self._masking is None:
            self._weights(client, sent, received)
        else:
            self._masked(client, self._masking, sent, received)

    def aggregate(self, cohort: tuple[int, ...], sent: RecordDict, state: NamedTensors, examples: int) -> None:
        """Records the mean that secure aggregation revealed."""
        self._write("aggregate", cohort, sent, state, examples, {})

    def _weights(self, client: int, sent: RecordDict, received: RecordDict) -> None:
        metrics = wire.metrics_of(received)
        examples = metrics.pop(wire.NUM_EXAMPLES, None)
        state = wire.to_tensors(wire.arrays_of(received))
        self._write("weights", (client,), sent, state, None if examples is None else int(examples), metrics)

    def _masked(self, client: int, masking: SecureAggregation, sent: RecordDict, received: RecordDict) -> None:
        before = self._task.split(wire.to_tensors(wire.arrays_of(sent)))
        values = masking.dequantise(wire.to_ring(wire.arrays_of(received)))
        self._write("masked", (client,), sent, masked_deltas(before, values), None, wire.metrics_of(received))

    def _write(
        self,
        kind: Payload,
        cohort: tuple[int, ...],
        sent: RecordDict,
        payload: NamedTensors,
        examples: int | None,
        metrics: dict[str, float],
    ) -> None:
        recording = Recording(
            task=self._task,
            before=self._task.split(wire.to_tensors(wire.arrays_of(sent))),
            payload=payload,
            kind=kind,
            cohort=cohort,
            round=wire.round_of(sent),
            num_examples=examples,
            training=self._known_training(examples if kind == "weights" else None),
            chain=self._chain,
            defense=self.plan.defense,
            seed=self.plan.seed,
            metrics=metrics,
        )
        write_recording(Path(self.plan.recordings), recording)

    def _known_training(self, examples: int | None) -> LocalTraining:
        """The facts that the adversary knows; a client that trains on its whole share gives its batches away."""
        training = self.plan.federation.training()
        if training.batches is None and examples is not None:
            training = replace(training, batches=ceil(examples / self.plan.federation.batch_size))
        return training.hiding(self.plan.adversary.unknown)

    @cached_property
    def _task(self) -> Task:
        return task_named(self.plan.task)

    @cached_property
    def _chain(self) -> tuple[Defense, ...]:
        return self.plan.defenses()

    @cached_property
    def _masking(self) -> SecureAggregation | None:
        protocol = protocol_of(self._chain)
        return protocol if isinstance(protocol, SecureAggregation) else None
