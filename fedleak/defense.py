"""The contract of a defense, the registry that finds defenses by name, and chains of them."""

from abc import ABC
from typing import ClassVar

from jaxtyping import Float
from torch import Generator, Tensor

from fedleak.batch import Batch
from fedleak.errors import ConfigError
from fedleak.plugin import Plugin
from fedleak.registry import Registry
from fedleak.settings import FederationSettings, Table
from fedleak.task import Task
from fedleak.training import Step
from fedleak.update import Update
from fedleak.weights import NamedTensors


class Defense(Plugin, ABC):
    """What a client does so that its update leaks less; algorithm and parameters are public, `rng` is not.

    A defense acts wherever it overrides a method: on how clients train, on the network, on the examples, on the
    gradient of a step, on the update. What is not overridden leaves things as they are. The last three methods are the
    attacker's side of it: what can be said about what went in, from what came out.
    """

    protocol: ClassVar[str | None] = None
    """Name of the wire protocol the defense needs between clients and server; None: clients can do it alone."""

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

    def examples(self, examples: Batch, rng: Generator) -> Batch:  # noqa: ARG002
        """What a client trains on in a round in place of its own examples."""
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

    def visible(self, sent: Update) -> NamedTensors | None:  # noqa: ARG002
        """Which entries of what was sent say something about those that were given, as masks; None: all do."""
        return None

    def expected(self, given: Update) -> Update:
        """`protect` as a function of the update alone that can be differentiated; on average, where it rolls dice."""
        return given

    def misfit(self, given: Update, sent: Update) -> Float[Tensor, ""] | None:  # noqa: ARG002
        """`-log p(sent | given)` up to a constant, in nats and differentiable; None where a distance has to do.

        Where the exact density is flat or infinite (quantisers), a smooth one that is lowest in the same place.
        """
        return None


defenses: Registry[Defense] = Registry("defense", "fedleak.defenses")


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
    return task


def trained_with(federation: FederationSettings, chain: tuple[Defense, ...]) -> FederationSettings:
    """How clients train under a chain."""
    for defense in chain:
        federation = defense.settings(federation)
    return federation


def withheld_from(task: Task, chain: tuple[Defense, ...]) -> frozenset[str]:
    """Names of the parameters and buffers that never leave a client; `task` is the hardened one."""
    return frozenset(name for defense in chain for name in defense.withheld(task))


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
