"""The contract of a defense by its five roles, and the registry that finds defenses by name."""

import math
from abc import ABC
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from fedleak.contracts.operator_side import OperatorSide
from fedleak.contracts.party_side import KnownAtCut, PartySide
from fedleak.contracts.plugin import Plugin, Registry
from fedleak.contracts.private_inference import OperatorSight
from fedleak.contracts.proof import PrivacyProof
from fedleak.contracts.received import Inspection, KnownOfInspection
from fedleak.learning.batch import Batch
from fedleak.learning.stacked_defense import StackedDefense
from fedleak.learning.task import Task
from fedleak.learning.training import Step
from fedleak.learning.update import Update, dense_bytes
from fedleak.learning.weights import NamedTensors
from fedleak.settings.federation import FederationSettings

Place = Literal[
    "requirements",
    "training",
    "task",
    "layers",
    "share",
    "received",
    "examples",
    "gradient",
    "state",
    "update",
    "protocol",
    "release",
    "answers",
    "embedding",
    "objective",
    "slopes",
]
"""Where along a client's round, before a prediction API or at the cut of a network, a defense acts; see `PLACES`."""

PLACES: dict[str, Place] = {
    "require": "requirements",
    "settings": "training",
    "transform_task": "task",
    "withheld": "layers",
    "prepare": "share",
    "inspect": "received",
    "examples": "examples",
    "gradient": "gradient",
    "load_state": "state",
    "save_state": "state",
    "protect": "update",
    "encoded_bytes": "update",
    "protocol": "protocol",
    "release": "release",
    "admits": "answers",
    "answer": "answers",
    "embedding": "embedding",
    "penalty": "objective",
    "slope": "slopes",
    "evaluation": "answers",
}
"""The members of the sides, `Inspection` among them, that a defense overrides, each with where it then acts."""


class ClientSide(Inspection):
    """What a client does, in the order of a round. What is not overridden leaves things as they are."""

    protocol: ClassVar[str | None] = None
    """Name of the wire protocol the defense needs between clients and server; None: clients can do it alone."""

    def require(self, task: Task) -> None:
        """Raises `ConfigError` where the defense does not fit the task's network."""

    def settings(self, federation: FederationSettings) -> FederationSettings:
        """How clients train."""
        return federation

    def transform_task(self, task: Task) -> Task:
        """The task with the network that is trained; fresh layers draw from torch's global generator.

        The task that is given is not changed.
        """
        return task

    def withheld(self, task: Task) -> frozenset[str]:
        """Names of the parameters and buffers of the transformed task that a client keeps for itself."""
        return frozenset()

    def prepare(self, task: Task, share: Batch, rng: Generator) -> Batch:
        """What a client has of its share, example for example, in place of it: the same in all rounds of a run.

        `task` is the transformed one. Not for rounds before the recorded ones, which are undefended.
        """
        return share

    def examples(self, task: Task, examples: Batch, rng: Generator) -> Batch:
        """What a client trains on in a round in place of its own examples; `task` is the transformed one."""
        return examples

    def gradient(self, step: Step, rng: Generator) -> NamedTensors:
        """The gradient that one local step follows. One defense of a chain at most may have a say in it."""
        return step.gradient()

    def load_state(self, update: Update, kept: NamedTensors) -> Update:
        """The update with what the client kept of earlier rounds (empty in the first), before it is protected."""
        return update

    def protect(self, update: Update, rng: Generator) -> Update:
        """The update as it leaves the client."""
        return update

    def save_state(self, given: Update, sent: Update) -> NamedTensors:
        """What the client keeps for its next round."""
        return {}

    def encoded_bytes(self, sent: Update) -> int:
        """What an update takes in the defense's own encoding, whatever Flower makes of it; else as float32."""
        return dense_bytes(sent.tensors)


class AdversaryKnowledge(KnownAtCut, KnownOfInspection):
    """What an attacker may know: what can be said about what went in, from what came out."""

    adaptive_strategy: ClassVar[str] = ""
    """What a matching attack makes of knowing the defense, in words; empty where it makes nothing of it."""
    mixes_labels: ClassVar[bool] = False
    """Whether clients train on probabilities in place of labels, which attackers then have to find with the images."""
    keeps_direction: ClassVar[bool] = False
    """Whether an update that it protects is only scaled, as a whole."""
    sends_largest: ClassVar[bool] = False
    """Whether all entries that it leaves out of an update are smaller than those that it sends."""
    shares_model: ClassVar[bool] = True
    """Of a protocol: whether clients share one model, by updates or a sum of them; False: each keeps one of its own."""
    mixes_examples: ClassVar[bool] = False
    """Whether an image that clients train on is made of several of their own."""
    stochastic: ClassVar[bool] = False
    """Whether the transformed network draws at random in training, so that attackers find the draws, or average."""

    @property
    def resolution(self) -> float:
        """The least difference of two probabilities that shows in an answer for sure: 0 for all, 1 for labels alone."""
        return 0.0

    @property
    def answer_noise(self) -> float:
        """Standard deviation of the noise in a probability that is answered."""
        return 0.0

    def most_answers(self, days: float) -> float:
        """How many inputs it lets a user have answered who asks for so long; infinity where it sets no such limit."""
        return math.inf

    @property
    def caveat(self) -> str:
        """What it does not protect from although its name sounds so, as a clause that is told wherever it is named."""
        return ""

    def disclosures(self, federation: FederationSettings) -> tuple[tuple[str, str], ...]:
        """Who learns what although it is there: for a protocol between several, whose helpers count; else nothing."""
        return ()

    @property
    def outline(self) -> str:
        """What was decided for a run that its options leave open, as a clause for who plans one; empty: nothing."""
        return ""

    @property
    def orthogonal(self) -> bool:
        """Whether each tensor of a local step is orthogonal to the client's own gradient, and as long."""
        return False

    def observed_mask(self, sent: Update) -> NamedTensors | None:
        """Which entries of what was sent say something about those that were given, as masks; None: all do."""
        return None

    def relaxed(self, given: Update) -> Update:
        """`protect` as a differentiable function of the update alone; its mean, where it is random."""
        return given

    def negative_log_likelihood(self, given: Update, sent: Update) -> Float[Tensor, ""] | None:
        """`-log p(sent | given)` up to a constant, in nats and differentiable; None where a distance has to do.

        Where the exact density is flat or infinite (quantizers), a smooth one that is lowest in the same place.
        """
        return None

    def invert_examples(self, inputs: Float[Tensor, "batch *shape"]) -> Float[Tensor, "batch *shape"]:
        """A client's own images from those that it trained on, as far as can be told: undoes `examples`."""
        return inputs

    def seen(self, examples: Batch, rng: Generator) -> Bool[Tensor, "batch *shape"]:
        """Which values of its own examples are within those that `examples` makes of them, with the same draws.

        No attacker knows; scoring does not count what no one can recover.
        """
        return torch.ones_like(examples.inputs, dtype=torch.bool)


class Defense(Plugin, ClientSide, OperatorSide, PartySide, AdversaryKnowledge, OperatorSight, PrivacyProof, ABC):
    """What a client does so that its update leaks less, the operator of an API so that answers do, or a party at a cut.

    Algorithm and parameters are public, `rng` is not.
    A defense is told by the methods that it overrides, in any of the five roles.
    """

    acts_on: ClassVar[frozenset[Place]] = frozenset()
    """Where it acts: found once, when the class is made, from what it overrides. A wrapper that passes everything on
    acts where the wrapped defense does, and says so with an `acts_on` of its own."""

    renamed: ClassVar[Mapping[str, str]] = {
        "harden": "transform_task",
        "recall": "load_state",
        "remember": "save_state",
        "visible": "observed_mask",
        "expected": "relaxed",
        "misfit": "negative_log_likelihood",
        "restored": "invert_examples",
        "bounded": "sensitivity_bound",
        "knowledge": "adaptive_strategy",
        "rolls_dice": "stochastic",
    }

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "acts_on" not in vars(cls):
            cls.acts_on = frozenset(
                place for member, place in PLACES.items() if getattr(cls, member) is not getattr(Defense, member)
            )

    @property
    def stacked(self) -> StackedDefense | None:
        """What it does in many federations that an adversary trains at once; None: that it cannot be done there.

        What is done to task and settings is in these already, and a protocol for a sum leaves the sum what it was.
        """
        outside = self.acts_on <= {"requirements", "training", "task", "received", "protocol", "answers"}
        return StackedDefense() if outside or (self.protocol is not None and self.shares_model) else None

    def planned(self, phases: tuple[FederationSettings, ...]) -> "Defense":
        """The defense as it acts in a run, where that goes by how long the run is and how clients train in it."""
        return self


defenses: Registry[Defense] = Registry("defense", "fedleak.defenses")
