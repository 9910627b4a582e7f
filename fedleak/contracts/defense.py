"""The contract of a defense, the registry that finds defenses by name, and chains of them."""

import math
from abc import ABC
from typing import Any, ClassVar, Literal

from jaxtyping import Float
from torch import Generator, Tensor

from fedleak.accounting.mechanism import Mechanism, Situation
from fedleak.contracts.plugin import Plugin, Registry
from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.learning.training import LocalTraining, Step
from fedleak.learning.update import Update, dense_bytes
from fedleak.learning.weights import NamedTensors
from fedleak.settings import FederationSettings

Place = Literal["requirements", "training", "task", "layers", "examples", "gradient", "state", "update", "protocol"]
"""Where along a client's round a defense acts; see `PLACES`."""

PLACES: dict[str, Place] = {
    "require": "requirements",
    "settings": "training",
    "harden": "task",
    "withheld": "layers",
    "examples": "examples",
    "gradient": "gradient",
    "recall": "state",
    "remember": "state",
    "protect": "update",
    "encoded_bytes": "update",
    "protocol": "protocol",
}
"""The members of a defense that it overrides, each with the place at which it then acts."""


class Defense(Plugin, ABC):
    """What a client does so that its update leaks less; algorithm and parameters are public, `rng` is not.

    A defense acts wherever it overrides a method: on how clients train, on the network, on the examples, on the
    gradient of a step, on the update. What is not overridden leaves things as they are. The methods from
    `noise` to `misfit` are the attacker's side of it: what can be said about what went in, from what came out.
    """

    acts_on: ClassVar[frozenset[Place]] = frozenset()
    """Where it acts: found once, when the class is made, from what it overrides."""
    protocol: ClassVar[str | None] = None
    """Name of the wire protocol the defense needs between clients and server; None: clients can do it alone."""
    knowledge: ClassVar[str] = ""
    """What a matching attack makes of knowing the defense, in words; empty where it makes nothing of it."""

    mixes_labels: ClassVar[bool] = False
    """Whether clients train on probabilities in place of labels, which attackers then have to find with the images."""
    rolls_dice: ClassVar[bool] = False
    """Whether the network that it hardens rolls dice in training, which attackers then have to find or to average over.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.acts_on = frozenset(
            place for member, place in PLACES.items() if getattr(cls, member) is not getattr(Defense, member)
        )

    def planned(self, phases: tuple[FederationSettings, ...]) -> "Defense":  # noqa: ARG002
        """The defense as it acts in a run, where that goes by how long the run is and how clients train in it."""
        return self

    def require(self, task: Task) -> None:
        """Raises `ConfigError` where the defense does not fit the task's network."""

    def settings(self, federation: FederationSettings) -> FederationSettings:
        """How clients train."""
        return federation

    def harden(self, task: Task) -> Task:
        """The task with the network that is trained; fresh layers take torch's global dice. The task is not changed."""
        return task

    def withheld(self, task: Task) -> frozenset[str]:  # noqa: ARG002
        """Names of the parameters and buffers of the hardened task that never leave a client, who keeps its own."""
        return frozenset()

    def examples(self, task: Task, examples: Batch, rng: Generator) -> Batch:  # noqa: ARG002
        """What a client trains on in a round in place of its own examples; `task` is the hardened one."""
        return examples

    def gradient(self, step: Step, rng: Generator) -> NamedTensors:  # noqa: ARG002
        """The gradient that one local step follows. One defense of a chain at most may have a say in it."""
        return step.gradient()

    def recall(self, update: Update, kept: NamedTensors) -> Update:  # noqa: ARG002
        """The update with what the client kept of earlier rounds (empty in the first), before it is protected."""
        return update

    def protect(self, update: Update, rng: Generator) -> Update:  # noqa: ARG002
        """The update as it leaves the client."""
        return update

    def remember(self, given: Update, sent: Update) -> NamedTensors:  # noqa: ARG002
        """What the client keeps for its next round."""
        return {}

    def bounded(self, norm: float) -> float:  # noqa: ARG002
        """The greatest norm of an update that `protect` returns, if the one that it is given has at most this norm."""
        return math.inf

    def mechanism(self, situation: Situation) -> Mechanism | None:  # noqa: ARG002
        """What one round proves, for accountants; None where nothing is proved."""
        return None

    def noise(self, training: LocalTraining) -> float:  # noqa: ARG002
        """Standard deviation of the noise in an entry of what one client sends; 0 for none, and where it is unknown."""
        return 0.0

    def visible(self, sent: Update) -> NamedTensors | None:  # noqa: ARG002
        """Which entries of what was sent say something about those that were given, as masks; None: all do."""
        return None

    def encoded_bytes(self, sent: Update) -> int:
        """What an update takes in the defense's own encoding, whatever Flower makes of it; else as float32."""
        return dense_bytes(sent.tensors)

    def restored(
        self, inputs: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        """A client's own images from those that it trained on, as far as can be told: undoes `examples`."""
        return inputs

    def expected(self, given: Update) -> Update:
        """`protect` as a function of the update alone that can be differentiated; on average, where it rolls dice."""
        return given

    def misfit(self, given: Update, sent: Update) -> Float[Tensor, ""] | None:  # noqa: ARG002
        """`-log p(sent | given)` up to a constant, in nats and differentiable; None where a distance has to do.

        Where the exact density is flat or infinite (quantisers), a smooth one that is lowest in the same place.
        """
        return None


defenses: Registry[Defense] = Registry("defense", "fedleak.defenses")
