"""mGAN-AI: what the classes of one client look like, by a GAN that has to draw this client's images and no other's."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from fedleak.contracts.attack import Attack, Requirement, attacks
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.errors import NotApplicable
from fedleak.learning.batch import Batch
from fedleak.learning.space import require_images
from fedleak.learning.weights import Weights
from fedleak.settings.base import Amount, Count, Rate

from ..parts.applicability import defect, require_usable
from ..parts.engine.loop import Matching
from ..parts.generators.latent_space import enough
from ..parts.learning.multitask_gan import Known, train_against_judges
from ..parts.local_training.multi_round_objective import MultiRoundMatch
from ..parts.local_training.surrogate import SHARE, weight_change
from ..parts.model_inversion.asked_classes import asked_classes
from ..parts.optimizers.first_order import adam


@attacks.register("mgan-ai")
@dataclass(frozen=True, kw_only=True)
class MGANAI(Attack):
    """Trains a generator whose images are real, of their class, and of the client under attack.

    What a client's images look like, its updates say: public examples are moved until they explain those of several
    rounds, for each client alike, and a judge learns which are whose. Needs updates of other clients and public data.
    On digits of 8x8 that are shared out by brightness it does not win: the mean public image of a class is nearer to
    the client's own in most cases, as updates of many steps say little of a style and judges drift.
    Differences from the paper: representatives start at public examples and not at noise; the generator redraws public
    images and not noise; the judge of classes is the client's own model as it came back, the other two share a trunk of
    their own; the server sends every client the same weights (the passive attack); and the representative is the mean
    of all that it draws of a class.
    """

    paper: ClassVar = "https://arxiv.org/abs/1812.00535"
    cites: ClassVar = "wang2019beyond"
    rounds: Count = 5
    """Rounds at most whose updates are explained: the first that are known, which say most."""
    examples: Count = 100
    """Public examples that are moved, the same for each client."""
    matching_steps: Count = 30
    """Iterations of moving them."""
    learning_rate: Rate = 0.01
    """Adam's first for them, in units of a pixel's range."""
    steps: Count = 50
    """Steps of generator and judges in turn."""
    category: Amount = 0.3
    """Weight of the class, where being real counts 1."""
    identity: Amount = 0.1
    """Weight of the client."""

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"representatives"})

    @property
    def requires(self) -> frozenset[Requirement]:
        return frozenset({"others"})

    def reconstruct(self, observation: Observation, rng: Generator) -> Reconstruction:
        classes = asked_classes(observation)
        require_usable(observation)
        images = require_images(observation.task.space, "a GAN")
        public = enough(observation.auxiliary)
        start = public[torch.randperm(len(public), generator=rng)[: self.examples]]
        own, *foreign = [
            self._representatives(messages, start, rng) for messages in by_client(observation, self.rounds)
        ]
        weights = returned(observation)
        known = Known(
            public=public,
            own=own,
            foreign=torch.cat(foreign),
            classify=lambda pictures: observation.task.logits(weights, pictures, mode="eval"),
        )
        redrawer = train_against_judges(known, images, (self.category, self.identity), self.steps, rng)
        drawn = redrawer(public.inputs)
        # Of a class without a public image nothing can be redrawn: the mean of none is NaN, which says so.
        return Reconstruction(representatives=torch.stack([drawn[public.labels == one].mean(0) for one in classes]))

    def _representatives(
        self, messages: tuple[Observation, ...], start: Batch, rng: Generator
    ) -> Float[Tensor, "examples *shape"]:
        """Public examples, moved until they explain what one client sent."""
        match = MultiRoundMatch.of(messages, start.labels, (), dtype=torch.float32, device="cpu")
        variables = {"inputs": start.inputs.clone(), SHARE: torch.tensor(0.5)}
        engine = Matching(optimizer=adam(self.learning_rate), steps=self.matching_steps)
        moved = engine.run(match, [variables], rng)
        if moved.inputs is None:
            raise NotApplicable(f"a client's update cannot be explained: {moved.failure}")
        return moved.inputs


def by_client(observation: Observation, rounds: int) -> list[tuple[Observation, ...]]:
    """The first messages of the client under attack, then those of each other, of the same rounds and readable."""
    own = (*observation.previous_rounds(), observation)
    own = tuple(message for message in own if defect(message) is None)[:rounds]
    others: dict[tuple[int, ...], list[Observation]] = {}
    for message in own:
        for other in replace(observation, round=message.round).other_clients():
            if defect(other) is None:
                others.setdefault(other.cohort, []).append(other)
    if not others:
        raise NotApplicable("no update of another client can be read, and what is this client's own shows beside it")
    return [own, *(tuple(messages) for _, messages in sorted(others.items()))]


def returned(observation: Observation) -> Weights:
    """The client's own model: the weights as they came back, as far as the update says."""
    delta, before = weight_change(observation), observation.before
    if delta is None:
        return before
    return Weights({name: value + delta[name] for name, value in before.parameters.items()}, before.buffers)
