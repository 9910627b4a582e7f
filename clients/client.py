"""Client in one round: what it is asked, what it does, what it keeps to itself."""

import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path

from flwr.app import Context, Message, RecordDict

from fedleak.client_round import with_own
from fedleak.contracts.chain import Chain
from fedleak.data.splits import load
from fedleak.defenses.secure_aggregation import SecureAggregation, masking_of
from fedleak.errors import ConfigError, Dropout, FederationError, NonFiniteError
from fedleak.federation import wire
from fedleak.federation.plan import FederationPlan
from fedleak.federation.reply import reply
from fedleak.io.fingerprint import source_fingerprint
from fedleak.learning.batch import Batch
from fedleak.learning.device import require
from fedleak.learning.poisson import reported_examples
from fedleak.learning.task import Task, mean_loss
from fedleak.learning.training import LocalTraining, stabilizers
from fedleak.learning.weights import NamedTensors, Weights, frozen_in
from fedleak.settings.dropouts import STAGES, Stage
from fedleak.vault.batches import PrivateBatch, deposit

from .behind_model import deposit_behind_model
from .floor import Floor
from .memory import Footprint, footprint
from .share import examples_of, held_by, prepared_of, pretraining_of
from .tampering import known_of, tampered_of

TEACHER = "teacher"
"""Where a client whose model leaves for nobody keeps it, beside what its defenses keep."""


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What a client has to say after training."""

    before: Weights
    after: Weights
    """After training and defenses."""
    examples: int
    """As it says: of Poisson samples, the number of which is a secret, those that are expected."""
    loss: float | None
    """Mean loss on the round's examples of the weights that were received; None where defenses keep it a secret, or who
    was sampled."""
    kept: NamedTensors = field(default_factory=dict)
    """What the client's defenses keep for its next round."""
    seconds: float
    """What training and defenses took."""
    memory: float
    """Bytes that they took at the peak; NaN where the system cannot tell."""


@dataclass(frozen=True, kw_only=True)
class Client:
    """Everything about one client that a message of the server refers to."""

    plan: FederationPlan
    partition: int
    round: int
    pretraining: bool
    floor: Floor = field(default_factory=Floor)
    """What its node demands of any run."""
    kept: NamedTensors = field(default_factory=dict)
    """What its defenses kept of earlier rounds."""

    @classmethod
    def of(cls, message: Message, context: Context) -> "Client":
        """The client that a message is for; refuses a server that runs other code, and a run below the node's floor."""
        config = wire.config_of(message.content)
        theirs, ours = str(config.get(wire.FINGERPRINT)), source_fingerprint()
        if theirs != ours:
            raise FederationError(
                f"the server runs fedleak sources {theirs} and this client {ours}; "
                "start both from the same checkout or installation"
            )
        if wire.PARTITION not in context.node_config:
            raise ConfigError(
                'this node has no partition-id; start it with --node-config "partition-id=0 num-partitions=4"'
            )
        plan = FederationPlan.from_run_config(context.run_config)
        pretraining, floor = bool(config.get(wire.PRETRAINING, False)), Floor.of(context.node_config)
        floor.require(plan, pretraining=pretraining)
        require(plan.device)
        return cls(
            plan=plan,
            partition=int(context.node_config[wire.PARTITION]),
            round=wire.round_of(message.content),
            pretraining=pretraining,
            floor=floor,
            kept=wire.kept_of(context),
        )

    @property
    def task(self) -> Task:
        return self.plan.public_task()

    def sendable(self, weights: Weights) -> NamedTensors:
        """What of its weights a client sends: all but what is not trained, which the server has."""
        frozen = frozen_in(self.task.network)
        return {name: value for name, value in weights.state_dict().items() if name not in frozen}

    @property
    def seed_key(self) -> tuple[int | str, ...]:
        """What seeds this client in this round: the same under every defense, so that defenses can be compared."""
        phase = "pretraining" if self.pretraining else "client"
        return (self.plan.seed, phase, self.partition, self.round)

    @property
    def masking(self) -> SecureAggregation | None:
        """The protocol that hides this round's reply, if one does."""
        return None if self.pretraining else masking_of(self.plan.defenses())

    def stay(self, stage: Stage) -> None:
        """Raises `Dropout` where the experiment asks this client to have left the round by this stage."""
        left = None if self.pretraining else self.plan.leaving(self.round).get(self.partition)
        if left is not None and STAGES.index(left) <= STAGES.index(stage):
            raise Dropout(f"client {self.partition} left round {self.round} before '{left}', as the experiment asks")

    def train(self, content: RecordDict) -> Trained:
        """Trains and defends; in a recorded round, deposits the truth in the vault."""
        examples, training = examples_of(self.plan, self.partition, self.round)
        prepared = prepared_of(self.plan, self.partition, self.round)
        own = examples if prepared is None else prepared
        trained = self._train(content, own, training, self.plan.defenses())
        self._deposit_use()
        if not self.plan.taps(self.round):
            return trained
        truth = PrivateBatch(
            examples=examples,
            prepared=prepared,
            training=training,
            seed_key=self.seed_key,
            client=self.partition,
            round=self.round,
            kept=self.kept,
            held=held_by(self.plan, self.partition),
            planted=self.plan.federation.planted,
            device=self.plan.device,
            tampered=known_of(self.plan, self.partition, self.round),
        )
        deposit(Path(self.plan.vault), truth)
        return trained

    def pretrain(self, content: RecordDict) -> Trained:
        """A round before the recorded ones: what of the share is for it, undefended, and nothing is kept."""
        examples, training = pretraining_of(self.plan, self.partition)
        trained = self._train(content, examples, training, Chain())
        self._deposit_use()
        return trained

    def _deposit_use(self) -> None:
        """Where the model is recorded later on, whose truth is all that trained for it: which examples did now.

        Where code tampers too, which may know all that a client holds.
        """
        wanted = "model" in self.plan.records and self.round <= max(self.plan.models, default=0)
        if wanted or self.plan.adversary.does:
            deposit_behind_model(self.plan, self.partition, self.round, pretraining=self.pretraining)

    def evaluate(self, content: RecordDict) -> dict[str, int | float]:
        """Mean loss and accuracy on the task's test split, with the layers it has of its own.

        Accuracy is the share of examples whose class is right, or of labels where examples have several. Beside them
        that of always naming what is commonest among the clients' examples.
        """
        splits = load(self.plan.source)
        weights = with_own(self._weights(content), self.plan.defenses().withheld(self.task), self.kept)
        loss, accuracy = mean_loss(self.task, weights, splits.test, self.plan.device)
        trivial = splits.test.labels == splits.clients.labels.mode(0).values
        return {
            wire.NUM_EXAMPLES: len(splits.test),
            "loss": loss,
            "accuracy": accuracy,
            "trivial": trivial.double().mean().item(),
        }

    def _train(self, content: RecordDict, examples: Batch, training: LocalTraining, chain: Chain) -> Trained:
        before = self._start(content)
        loss = mean_loss(self.task, before, examples, self.plan.device)[0] if len(examples) else 0.0
        if not isfinite(loss):
            raise NonFiniteError(
                f"the model's loss is {loss} before client {self.partition} trains in round {self.round}; "
                f"{self._remedy}"
            )
        tampered = None if self.pretraining else tampered_of(self.plan, self.partition, self.round)
        measured = self.plan.recorded(self.round) and not self.pretraining
        with footprint() if measured else nullcontext(Footprint()) as taken:
            started = time.perf_counter()
            sent = reply(
                self.task, before, examples, training, chain, self.seed_key, self.kept, self.plan.device, tampered
            )
            seconds = time.perf_counter() - started
        sent.weights.require_finite(f"client {self.partition}, round {self.round}", self._remedy)
        return Trained(
            before=before,
            after=sent.weights,
            examples=reported_examples(len(examples), training),
            loss=loss if chain.reports_loss(self.plan.federation) and not training.sampling_rate else None,
            kept={**sent.kept, **self._teacher(sent.weights)},
            seconds=seconds,
            memory=taken.bytes,
        )

    @property
    def _remedy(self) -> str:
        """What to do about a model that runs away in this phase of the run."""
        if self.pretraining:
            return stabilizers(self.task, "model.trained_learning_rate")
        utility = not self.plan.recorded(self.round) and self.plan.utility.learning_rate is not None
        return stabilizers(self.task, f"{'utility' if utility else 'federation'}.learning_rate")

    def _start(self, content: RecordDict) -> Weights:
        """What it trains from: the model that it is sent or, as a teacher, its own of the round before."""
        sent = self._weights(content).state_dict()
        return self.task.split({name: self.kept.get(f"{TEACHER}/{name}", value) for name, value in sent.items()})

    def _teacher(self, after: Weights) -> NamedTensors:
        """A teacher's model, for its next round; nothing where it is none."""
        protocol = None if self.pretraining else self.plan.defenses().protocol
        shares = protocol is None or protocol.shares_model
        return {} if shares else {f"{TEACHER}/{name}": value for name, value in after.state_dict().items()}

    def _weights(self, content: RecordDict) -> Weights:
        return self.task.split(wire.to_tensors(wire.arrays_of(content)))
