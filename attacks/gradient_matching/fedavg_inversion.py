"""FedAvg inversion: gradient matching through a simulation of several local steps."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from jaxtyping import Int
from torch import Generator, Tensor

from fedleak.contracts.attack import attacks
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.errors import NotApplicable
from fedleak.learning.training import LocalTraining
from fedleak.settings.base import Amount, Count, Rate

from ..label_inference.auto_labels import AutoLabels
from ..parts.classifier_head.label_rule import LabelRule
from ..parts.engine.base import MatchingAttack
from ..parts.engine.defense_aware import smoothing
from ..parts.engine.loop import Matching
from ..parts.engine.objective import Objective, RecordingObjective
from ..parts.engine.public_model import PublicModel
from ..parts.engine.regularizers import variation
from ..parts.local_training.assumptions import assumptions, possible_trainings
from ..parts.local_training.unrolled import LOG_RATE
from ..parts.local_training.unrolled_objective import LocalTrainingMatch, Order
from ..parts.optimizers.first_order import signed_adam

SEARCH_SHARE = 4
"""A possible way of training is tried for one iteration in so many."""


@attacks.register("fedavg-inversion")
@dataclass(frozen=True, kw_only=True)
class FedAvgInversion(MatchingAttack):
    """Moves dummy images until local training that is simulated on them, step by step, ends where the client's did.

    Which example was in which batch is unknown. `order` says how that is handled: "learned" (ours) makes it a variable,
    "separate" (the paper's) gives every epoch images of its own, tied by what does not depend on their order and merged
    at the end, "fixed" (Inverting Gradients) takes one order and hopes. Other differences from the paper: signed Adam
    at .1, more total variation, labels inferred from the update. Unknown epochs and batches are searched, an unknown
    learning rate is learned; the note says so. Costs as many times a step of gradient matching as there are local
    steps.
    """

    follows_steps: ClassVar[bool] = True
    paper: ClassVar = "https://arxiv.org/abs/2206.12395"
    cites: ClassVar = "dimitrov2022data"
    steps: Count = 200
    """Iterations of one attempt."""
    learning_rate: Rate = 0.1
    """First rate of signed Adam, in units of a pixel's range; it goes down to zero along a cosine."""
    total_variation: Amount = 0.1
    """Weight of the mean absolute difference of neighboring pixels; where defenses added noise, more."""
    order: Literal["auto", "learned", "separate", "fixed"] = "auto"
    """How the unknown order of the examples is met; "auto": learned, but separate where BatchNorm mixes a batch."""
    epoch_prior: Amount = 30.0
    """With "separate", the weight of the squared difference between the mean images of two epochs."""
    most_local_steps: Count = 100
    """Local steps beyond which the attack declines: time and memory grow with them."""
    labels: LabelRule = AutoLabels()
    """The rule that the labels are inferred by."""

    def match(self, observation: Observation, rng: Generator) -> Reconstruction:
        labels = self.labels.infer(observation, rng)
        possible = possible_trainings(observation)
        short = [training for training in possible if (training.steps or 1) <= self.most_local_steps]
        if not short:
            least = min(training.steps or 1 for training in possible)
            raise NotApplicable(
                f"at most {self.most_local_steps} local steps are simulated and the client did {least}; raise "
                "most_local_steps if there is time and memory for them, or use 'surrogate-model', which needs neither"
            )
        training = short[0] if len(short) == 1 else self._likeliest(observation, short, labels, rng)
        problem = self._problem(observation, training, labels, rng)
        recorder = RecordingObjective.of(problem.objective)
        guess = self._descend(recorder, problem, self.steps, rng)
        rate = float(recorder.last[LOG_RATE].exp()) if LOG_RATE in recorder.last else None
        note = assumptions(observation, training, len(short), rate)
        return replace(guess, note="; ".join(filter(None, [guess.note, note])) or None)

    def _likeliest(
        self,
        observation: Observation,
        possible: list[LocalTraining],
        labels: Int[Tensor, "batch *classes"],
        rng: Generator,
    ) -> LocalTraining:
        """The way of training that a short attempt explains the update by best."""
        steps, mismatch = -(-self.steps // SEARCH_SHARE), []
        for training in possible:
            problem = self._problem(observation, training, labels, rng)
            mismatch.append(self._descend(problem.objective, problem, steps, rng).mismatch)
        return possible[mismatch.index(min(mismatch, key=lambda loss: loss if math.isfinite(loss) else math.inf))]

    def _problem(
        self, observation: Observation, training: LocalTraining, labels: Int[Tensor, "batch *classes"], rng: Generator
    ) -> LocalTrainingMatch:
        return LocalTrainingMatch.of(
            observation,
            training,
            labels,
            self._order(observation, training),
            rng,
            terms=((self.total_variation + smoothing(observation), variation(observation.task.space)),),
            epoch_prior=self.epoch_prior,
            dtype=self.dtype(torch.float32),
            device=self.device,
        )

    def _order(self, observation: Observation, training: LocalTraining) -> Order:
        if training.batches == 1:
            return "fixed"  # the order within a batch does not matter
        if self.order != "auto":
            return self.order
        return "learned" if PublicModel.of(observation, torch.float32).stateless else "separate"

    def _descend(self, objective: Objective, problem: LocalTrainingMatch, steps: int, rng: Generator) -> Reconstruction:
        images = self.starts(problem.observation, problem.images, self.dtype(torch.float32), rng)
        starts = [problem.start(start["inputs"], rng) for start in images]
        engine = Matching(optimizer=signed_adam(self.learning_rate), steps=steps, compiled=self.compiled)
        return engine.run(objective, starts, rng)
