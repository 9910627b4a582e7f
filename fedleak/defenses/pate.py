"""PATE: clients are teachers whose noisy votes label public examples, and a student of these is released."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from fedleak.accounting.guarantee import DELTA, Guarantee
from fedleak.accounting.mechanism import Mechanism, Situation, Vantage
from fedleak.contracts.defense import Defense, defenses
from fedleak.errors import ConfigError
from fedleak.learning.task import Task
from fedleak.learning.training import LocalTraining, batches_in
from fedleak.learning.update import Update
from fedleak.learning.weights import Weights
from fedleak.settings.base import Amount, Count
from fedleak.settings.federation import FederationSettings


@defenses.register("pate")
@dataclass(frozen=True, kw_only=True)
class PATE(Defense):
    """Each client trains a model of its own, and only noisy votes of these teachers leave the clients (GNMax).

    In the last recorded round each of n teachers names the class of the first `queries` public examples, as a one for
    its class and zeros for others, and adds N(0, std² / n) to each; the class of the greatest sum is the label. One
    client trains the student on the public examples with these labels, from the first model of the run: it is the model
    from then on, and the model before is the first one. What is proved of it is about whole clients: another client in
    the place of one moves the votes on an example by sqrt(2) at most, so the labels are `queries` releases with
    `std / sqrt(2)` times that. It does not go by how far teachers agree, so it may be told, as the paper's smaller
    data-dependent epsilon may not without noise. The server adds nothing and sees single votes, whose noise is
    sqrt(n) times less; it is to be trusted not to look at them, or has far less hidden from it.
    """

    paper: ClassVar = "https://arxiv.org/abs/1802.08908"
    cites: ClassVar = "papernot2018scalable"
    protocol: ClassVar[str | None] = "pate"
    trains_at_once: ClassVar[bool] = False
    reveals: ClassVar[Vantage] = "model"
    shares_model: ClassVar[bool] = False
    std: Amount
    """Standard deviation of the noise in the sum of votes for a class; a vote is 1."""
    queries: Count
    """Public examples that the teachers label."""
    epochs: Count = 100
    """Passes of the student over them; batches, rates and momentum are those of the teachers."""

    @property
    def caveat(self) -> str:
        return "the server that counts the votes sees each client's, with less noise than the student's labels have"

    def disclosures(self, federation: FederationSettings) -> tuple[tuple[str, str], ...]:
        mechanism = self.mechanism(Situation(federation=federation))
        if not mechanism.noise_multiplier:
            return (("the server", "the teachers' votes, without noise"),)
        epsilon = Guarantee(mechanism=mechanism, rounds=1, defense=self.name).epsilon(DELTA)
        about = f"epsilon {epsilon:.3g} (replace-one client, no sampling credit), delta {DELTA:g}"
        return (("the server", f"each teacher's votes under its share of the noise alone: {about}"),)

    def require(self, task: Task) -> None:
        if task.criterion.several_labels:
            raise ConfigError(
                f"'{self.name}' has teachers vote for one class, and examples of '{task.name}' have several labels; "
                "take a task with one label each"
            )

    def settings(self, federation: FederationSettings) -> FederationSettings:
        if federation.clients < 2:
            raise ConfigError(
                f"'{self.name}' needs 2 clients or more, whose votes hide one another, and this federation has "
                f"{federation.clients}; raise federation.clients"
            )
        if federation.strategy != "FedAvg":
            raise ConfigError(
                f"'{self.name}' averages nothing, and federation.strategy is {federation.strategy}; leave it at FedAvg"
            )
        return federation

    def mechanism(self, situation: Situation) -> Mechanism:
        """For who sees the model, the noise of those that are sure to vote; for the server, that of one vote."""
        clients = situation.federation.clients
        summed = situation.summands if situation.view == "model" else 1
        return Mechanism(
            noise=self.std * math.sqrt(summed / clients),
            contribution=1.0,
            apart=math.sqrt(2),
            protects="client",
            releases=self.queries,
            once=True,
            buffers=True,  # the student's, of public examples and the labels
        )

    def require_public(self, count: int, source: str) -> None:
        """Raises `ConfigError` where a source has fewer public examples, `count`, than are voted on."""
        if self.queries > count:
            raise ConfigError(
                f"'{self.name}' has teachers label queries = {self.queries} public examples, and '{source}' has "
                f"{count}; lower queries"
            )

    def encoded_bytes(self, sent: Update) -> int:
        """No update is sent."""
        return 0

    # What clients and server do.

    def votes(
        self,
        task: Task,
        teacher: Weights,
        public: Float[Tensor, "queries *shape"],
        clients: int,
        rng: Generator,
    ) -> Float[Tensor, "queries classes"]:
        """What one of so many teachers says of public examples, with its share of the noise."""
        with torch.no_grad():
            named = task.criterion.decided(task.logits(teacher, public, mode="eval"))
        votes = torch.nn.functional.one_hot(named.cpu(), task.classes).float()
        return votes + self.std / math.sqrt(clients) * torch.randn(votes.shape, generator=rng)

    def labels(self, votes: Float[Tensor, "queries classes"]) -> Int[Tensor, " queries"]:
        """The class with the greatest sum."""
        return votes.argmax(1)

    def student_training(self, federation: FederationSettings) -> LocalTraining:
        """How the student trains."""
        training = federation.training()
        return replace(training, batches=batches_in(self.queries, training), epochs=self.epochs)
