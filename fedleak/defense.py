"""The contract of a defense, the registry that finds defenses by name, and chains of them."""

import math
from abc import ABC
from typing import ClassVar

from jaxtyping import Float
from torch import Generator, Tensor

from fedleak.accounting.mechanism import Mechanism, Situation
from fedleak.batch import Batch
from fedleak.errors import ConfigError
from fedleak.plugin import Plugin
from fedleak.registry import Registry
from fedleak.settings import FederationSettings, Table
from fedleak.task import Task
from fedleak.training import LocalTraining, Step
from fedleak.update import Update
from fedleak.weights import NamedTensors


class Defense(Plugin, ABC):
    """What a client does so that its update leaks less; algorithm and parameters are public, `rng` is not.

    A defense acts wherever it overrides a method: on how clients train, on the network, on the examples, on the
    gradient of a step, on the update. What is not overridden leaves things as they are. The methods from
    `noise` to `misfit` are the attacker's side of it: what can be said about what went in, from what came out.
    """

    protocol: ClassVar[str | None] = None
    """Name of the wire protocol the defense needs between clients and server; None: clients can do it alone."""
    knowledge: ClassVar[str] = ""
    """What a matching attack makes of knowing the defense, in words; empty where it makes nothing of it."""

    mixes_labels: ClassVar[bool] = False
    """Whether clients train on probabilities in place of labels, which attackers then have to find with the images."""
    rolls_dice: ClassVar[bool] = False
    """Whether the network that it hardens rolls dice in training, which attackers then have to find or to average over.
    """

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


def planned(chain: tuple[Defense, ...], phases: tuple[FederationSettings, ...]) -> tuple[Defense, ...]:
    """The chain as it acts in a run; `phases` as the experiment has them, before defenses have a say in training."""
    trained = tuple(trained_with(phase, chain) for phase in phases)
    return tuple(defense.planned(trained) for defense in chain)


def protect(update: Update, chain: tuple[Defense, ...], rng: Generator) -> Update:
    """Applies the defenses to an update in order, for a client that kept nothing."""
    for defense in chain:
        update = defense.protect(update, rng)
    return update


def public_task(task: Task, chain: tuple[Defense, ...]) -> Task:
    """The task as it is trained under a chain; raises `ConfigError` where a defense does not fit the network."""
    for defense in chain:
        defense.require(task)
        task = defense.harden(task)
    _require_shared(task, chain)
    return task


def _require_shared(task: Task, chain: tuple[Defense, ...]) -> None:
    """Refuses a chain that withholds what it replaces itself, or all that there is; `task` is the hardened one."""
    withholding = [defense for defense in chain if type(defense).withheld is not Defense.withheld]
    for defense in withholding:
        if not defense.withheld(task):
            raise ConfigError(
                f"'{defense.name}' withholds layers that a later defense of the chain replaces, so that it would "
                "withhold nothing; leave one of them out"
            )
    if withheld_from(task, chain).issuperset(name for name, _ in task.network.named_parameters()):
        names = " and ".join(f"'{defense.name}'" for defense in withholding)
        raise ConfigError(
            f"{names} withhold every parameter of '{task.name}', so that clients would share nothing; "
            "leave out one layer at least"
        )


def shapes_the_network(defense: Defense) -> bool:
    """Whether a defense asks something of the network or changes it."""
    return type(defense).require is not Defense.require or type(defense).harden is not Defense.harden


def trained_with(federation: FederationSettings, chain: tuple[Defense, ...]) -> FederationSettings:
    """How clients train under a chain."""
    for defense in chain:
        federation = defense.settings(federation)
    return federation


def withheld_from(task: Task, chain: tuple[Defense, ...]) -> frozenset[str]:
    """Names of the parameters and buffers that never leave a client; `task` is the hardened one."""
    return frozenset(name for defense in chain for name in defense.withheld(task))


def encoded_bytes(sent: Update, chain: tuple[Defense, ...]) -> int:
    """What an update takes as the last defense of a chain encodes it that changes updates or has an encoding."""
    plain = (Defense.protect, Defense.encoded_bytes)
    acting = [one for one in chain if (type(one).protect, type(one).encoded_bytes) != plain]
    return acting[-1].encoded_bytes(sent) if acting else dense_bytes(sent.tensors)


def dense_bytes(tensors: NamedTensors) -> int:
    """Four bytes for each entry."""
    return 4 * sum(value.numel() for value in tensors.values())


def protocol_of(chain: tuple[Defense, ...]) -> Defense | None:
    """The defense of the chain that needs a wire protocol, if there is one; raises when it is not the only and last."""
    needing = [defense for defense in chain if defense.protocol is not None]
    if not needing:
        return None
    if len(needing) > 1 or chain[-1] is not needing[0]:
        raise ConfigError(
            f"'{needing[0].name}' masks what the other defenses produced, so it must come once and last in a chain; "
            f"got {', '.join(defense.name for defense in chain)}"
        )
    return needing[0]


def of_the_gradient(chain: tuple[Defense, ...]) -> Defense | None:
    """The defense of the chain that says what gradient a step follows; raises where there are two."""
    acting = [defense for defense in chain if type(defense).gradient is not Defense.gradient]
    if len(acting) > 1:
        names = " and ".join(f"'{defense.name}'" for defense in acting)
        raise ConfigError(f"{names} each say what gradient a local step follows and cannot be chained; keep one")
    return acting[0] if acting else None


def build_chain(chain: tuple[Table, ...], where: str = "chain") -> tuple[Defense, ...]:
    """The defenses of a chain in order, from the tables of an experiment; refuses what cannot be chained."""
    built = tuple(defenses.from_table(table, f"{where}.{i}") for i, table in enumerate(chain))
    try:
        protocol_of(built)
        of_the_gradient(built)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error
    return built
