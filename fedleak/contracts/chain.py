"""Chains of defenses: several in order that act as one."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool
from torch import Generator, Tensor

from fedleak.accounting.guarantee import Proven, Unproven
from fedleak.accounting.mechanism import Beside, Situation, Vantage
from fedleak.contracts.at_cut import AtCut
from fedleak.contracts.chaining import (
    acting_on,
    after_training,
    require_one_gradient,
    require_protocol_last,
    require_seen,
    require_shared,
)
from fedleak.contracts.defense import Defense, Place, defenses
from fedleak.contracts.guarantees import mechanisms, situation_under, strongest_guarantee
from fedleak.errors import ConfigError
from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.learning.training import LocalTraining, Step
from fedleak.learning.update import Update, dense_bytes
from fedleak.learning.weights import NamedTensors, Weights
from fedleak.randomness import generator
from fedleak.settings.base import Table
from fedleak.settings.federation import FederationSettings


@dataclass(frozen=True)
class Chain:
    """Defenses in the order in which they are applied; an empty chain leaves things as they are.

    Raises `ConfigError` for defenses that cannot be chained.
    """

    defenses: tuple[Defense, ...] = ()

    @classmethod
    def build(cls, tables: tuple[Table, ...], where: str = "chain") -> "Chain":
        """The chain that the tables of an experiment name; `where` is their place in the user's input."""
        built = tuple(defenses.from_table(table, f"{where}.{i}") for i, table in enumerate(tables))
        try:
            return cls(built)
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from error

    def __post_init__(self) -> None:
        require_protocol_last(self.defenses)
        require_one_gradient(self.defenses)
        require_seen(self.defenses)

    def __iter__(self) -> Iterator[Defense]:
        return iter(self.defenses)

    def __len__(self) -> int:
        return len(self.defenses)

    @property
    def tables(self) -> list[dict[str, Any]]:
        """`{use = name, ...}` with every option, for each defense."""
        return [{"use": defense.name, **defense.options()} for defense in self]

    @property
    def protocol(self) -> Defense | None:
        """The defense that needs a wire protocol, if there is one; it is the last."""
        return next((defense for defense in self if defense.protocol is not None), None)

    @property
    def local(self) -> "Chain":
        """The defenses that a client applies by itself: all but the one that needs a protocol."""
        return Chain(tuple(defense for defense in self if defense.protocol is None))

    @property
    def training(self) -> "Chain":
        """The defenses that act while the federation runs: all but those of a model that leaves it, or of answers."""
        return Chain(tuple(defense for defense in self if not after_training(defense)))

    def release(self, task: Task, weights: Weights, public: Batch | None, seed_key: tuple[object, ...]) -> Weights:
        """What leaves the federation in place of the weights that training ended with."""
        for place, defense in enumerate(self._acting_on("release")):
            weights = defense.release(task, weights, public, generator(*seed_key, "release", place))
        return weights

    @property
    def answering(self) -> "Chain":
        """The defenses of a prediction API's answers."""
        return Chain(self._acting_on("answers"))

    @property
    def at_cut(self) -> AtCut:
        """The defenses where a network is cut among parties."""
        return AtCut(self.defenses)

    @property
    def hiding(self) -> Defense | None:
        """The defense under which the operator sees neither queries nor answers, if there is one."""
        return next((defense for defense in self if not defense.sees_requests), None)

    @property
    def resolution(self) -> float:
        """The least difference of two probabilities that shows in an answer for sure."""
        return max((defense.resolution for defense in self), default=0.0)

    @property
    def answer_noise(self) -> float:
        """Standard deviation of the noise in a probability that is answered."""
        return math.hypot(*(defense.answer_noise for defense in self))

    def most_answers(self, days: float) -> float:
        """How many inputs a user has answered at most who asks for so long."""
        return min((defense.most_answers(days) for defense in self), default=math.inf)

    @property
    def prepares(self) -> bool:
        """Whether a defense changes shares before any training."""
        return bool(self._acting_on("share"))

    @property
    def shapes_the_network(self) -> bool:
        """Whether a defense asks something of the network or changes it."""
        return any(defense.acts_on & {"requirements", "task"} for defense in self)

    # How a run is set up.

    def planned(self, phases: tuple[FederationSettings, ...]) -> "Chain":
        """The chain as it acts in a run; `phases` as the experiment has them, before any defense changes training."""
        trained = tuple(self.settings(phase) for phase in phases)
        return Chain(tuple(defense.planned(trained) for defense in self))

    def settings(self, federation: FederationSettings) -> FederationSettings:
        """How clients train under the chain."""
        for defense in self:
            federation = defense.settings(federation)
        return federation

    def task(self, task: Task) -> Task:
        """The task as it is trained under the chain; raises `ConfigError` where a defense does not fit the network."""
        for defense in self:
            defense.require(task)
            task = defense.transform_task(task)
        require_shared(self.defenses, task)
        return task

    def withheld(self, task: Task) -> frozenset[str]:
        """Names of the parameters and buffers that never leave a client; `task` is the transformed one."""
        return frozenset(name for defense in self for name in defense.withheld(task))

    def prepared(self, task: Task, share: Batch, seed_key: tuple[object, ...]) -> Batch:
        """What a client has in place of its share; `seed_key` names the client, and no round."""
        for place, defense in enumerate(self):
            share = defense.prepare(task, share, generator(*seed_key, "share", place))
        return share

    # One round of a client.

    def examples(self, task: Task, examples: Batch, seed_key: tuple[object, ...]) -> Batch:
        """What a client trains on in a round; `seed_key` seeds the draws of all defenses."""
        for place, defense in enumerate(self):
            examples = defense.examples(task, examples, generator(*seed_key, "examples", place))
        return examples

    def seen(self, examples: Batch, seed_key: tuple[object, ...]) -> Bool[Tensor, "batch *shape"]:
        """Which values of a client's own examples are within those that it trains on in a round.

        Once images are mixed, what is taken from one mixture may be in another, so from there on all count as seen.
        """
        seen = torch.ones_like(examples.inputs, dtype=torch.bool)
        for place, defense in enumerate(self):
            if defense.mixes_examples:
                break
            seen = seen & defense.seen(examples, generator(*seed_key, "examples", place))
        return seen

    def gradient(self, step: Step, rng: Generator) -> NamedTensors:
        """The gradient that one local step follows."""
        for defense in self._acting_on("gradient"):
            return defense.gradient(step, rng)
        return step.gradient()

    @property
    def orthogonal(self) -> bool:
        """Whether each tensor that is sent is orthogonal to the client's own gradient; as long too, unless `scaled`."""
        kept = all(defense.keeps_direction for defense in self._acting_on("update"))
        return kept and any(defense.orthogonal for defense in self)

    @property
    def scaled(self) -> bool:
        """Whether anything changes the update after local training, be it its length alone."""
        return bool(self._acting_on("update"))

    def protect(self, update: Update, rng: Generator) -> Update:
        """The update as it leaves a client that kept nothing of earlier rounds."""
        for defense in self:
            update = defense.protect(update, rng)
        return update

    def protect_with_state(self, update: Update, state: NamedTensors, rng: Generator) -> tuple[Update, NamedTensors]:
        """The update as it leaves the client, and the client's state for its next round, by "PLACE/NAME"."""
        saved: NamedTensors = {}
        for place, defense in enumerate(self):
            kept = {name.partition("/")[2]: value for name, value in state.items() if name.startswith(f"{place}/")}
            given = defense.load_state(update, kept)
            update = defense.protect(given, rng)
            saved |= {f"{place}/{name}": value for name, value in defense.save_state(given, update).items()}
        return update, saved

    def encoded_bytes(self, sent: Update) -> int:
        """What an update takes as the last defense encodes it that changes updates or has an encoding."""
        acting = self._acting_on("update")
        return acting[-1].encoded_bytes(sent) if acting else dense_bytes(sent.tensors)

    # What is proved.

    def noise_variance(self, training: LocalTraining) -> float:
        """Variance of the noise that the chain is known to add to an entry of what one client sends."""
        return sum((defense.noise(training) ** 2 for defense in self), start=0.0)

    def guarantee(
        self, phases: tuple[FederationSettings, ...], task: Task, *, view: Vantage | None = None, beside: Beside = ()
    ) -> Proven | Unproven:
        """The strongest guarantee that one defense of the chain gives over all rounds of a run.

        `phases` are `PlanSettings.phases` or the first of them, as the experiment has them; `task` is the transformed
        one. The view is the server's by default: what a protocol reveals, else messages. What is proved is about
        weights, whoever leaves a sum and whatever the training code does `beside`, and clients under such a chain
        report no loss beside them (`reports_loss`). Not covered are how many examples there are where that is fixed,
        and what clients report of the public test split with layers that they share with nobody.
        """
        local = self.local
        seen: Vantage = view or ("message" if self.protocol is None else self.protocol.reveals)
        situations = [situation_under(self.settings(phase), seen, self.protocol, beside) for phase in phases]
        leaving = {name for name, value in task.network.named_buffers() if value.is_floating_point()}
        bare = sorted(leaving - local.withheld(task))
        return strongest_guarantee(self.defenses, phases, situations, bare[0] if bare else None)

    def reports_loss(self, federation: FederationSettings) -> bool:
        """Whether clients report their training loss in clear: not where the chain proves what that would void."""
        situation = Situation(federation=self.settings(federation))
        return not any(True for _ in mechanisms(self.local.defenses, situation))

    def _acting_on(self, place: Place) -> tuple[Defense, ...]:
        return acting_on(self.defenses, place)
