"""Multi-round gradient inversion: one batch that explains several rounds of the same data."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Int
from torch import Generator, Tensor

from fedleak.contracts.attack import Requirement, attacks
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.settings.base import Amount, Count, Rate

from ..label_inference.auto_labels import AutoLabels
from ..parts.classifier_head.label_rule import LabelRule
from ..parts.engine.base import MatchingAttack
from ..parts.engine.loop import Matching
from ..parts.engine.objective import RecordingObjective, by_autograd
from ..parts.engine.regularizers import variation
from ..parts.local_training.multi_round_objective import MultiRoundMatch, comparable, explained_alike, rounds_note, vote
from ..parts.local_training.surrogate import SHARE
from ..parts.optimizers.first_order import signed_adam


@attacks.register("several-rounds")
@dataclass(frozen=True, kw_only=True)
class SeveralRounds(MatchingAttack):
    """Moves one dummy batch until it explains what the same clients sent in this round and in earlier ones.

    Every round's gradient is taken at other weights, and so says something new about the same examples. A round that
    the batch does not explain pulls less, and at the end the attack sees by its own loss which rounds those are: it
    says so, and goes on without them. A round of several local steps is matched at a surrogate model. Differences from
    the paper: cosine distance, signed Adam, and a robust loss in place of a trimmed mean of gradients.
    """

    follows_steps: ClassVar[bool] = True
    paper: ClassVar = "https://arxiv.org/abs/2306.07883"
    cites: ClassVar = "li2023temporal"
    steps: Count = 400
    """Iterations of one attempt; where rounds are left out or their labels disagree, there is a second one."""
    learning_rate: Rate = 0.1
    """First rate of signed Adam, in units of a pixel's range; it goes down to zero along a cosine."""
    total_variation: Amount = 0.01
    """Weight of the mean absolute difference of neighboring pixels."""
    rounds: Count = 5
    """Rounds at most, this one and the latest before it: each costs as much as this one does."""
    labels: LabelRule = AutoLabels()
    """The rule that the labels of each round are inferred by; the rounds that fit vote."""

    @property
    def requires(self) -> frozenset[Requirement]:
        return super().requires | {"others"}

    def match(self, observation: Observation, rng: Generator) -> Reconstruction:
        labels = self.labels.infer(observation, rng)
        earlier = [message for message in reversed(observation.previous_rounds()) if comparable(message, observation)]
        rounds = [observation, *earlier[: self.rounds - 1]]
        guess, distances = self._descend(rounds, labels, rng)
        if guess.failure:
            return guess
        same = explained_alike(distances)
        kept = [message for message, fits in zip(rounds, same, strict=True) if fits]
        voted = vote([self.labels.infer_if_applicable(message, rng) for message in kept], observation.examples())
        if len(kept) < len(rounds) or not torch.equal(voted, labels):
            guess, _ = self._descend(kept, voted, rng)
        note = rounds_note(rounds, same, distances, len(observation.previous_rounds()))
        return replace(guess, note="; ".join(filter(None, [guess.note, note])))

    def _descend(
        self, rounds: Sequence[Observation], labels: Int[Tensor, "batch *classes"], rng: Generator
    ) -> tuple[Reconstruction, list[float]]:
        """The guess for some rounds, and how far it is from explaining each."""
        dtype = self.dtype(torch.float32)
        several = MultiRoundMatch.of(
            rounds,
            labels.to(self.device),
            ((self.total_variation, variation(rounds[0].task.space)),),
            dtype=dtype,
            device=self.device,
        )
        recorder = RecordingObjective.of(several)
        starts = [
            {**start, SHARE: torch.as_tensor(0.5).to(start["inputs"])}
            for start in self.starts(rounds[0], len(labels), dtype, rng)
        ]
        engine = Matching(optimizer=signed_adam(self.learning_rate), steps=self.steps, compiled=self.compiled)
        guess = engine.run(recorder, starts, rng)
        if guess.failure:
            return guess, []
        return guess, several.distances(recorder.last, by_autograd).tolist()
