"""Property inference: what most examples of a batch have in common, by classifiers trained on shadow updates."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.observation import Observation
from fedleak.contracts.properties import of_most
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.errors import NotApplicable
from fedleak.learning.batch import Batch
from fedleak.learning.space import require_images
from fedleak.progress import report
from fedleak.settings.base import Count

from ..parts.applicability import require_usable
from ..parts.learning.classifiers import Classifier, classify, coordinates
from ..parts.learning.shadow import draw_batches, shadow_update
from ..parts.records.gradients import Sketch


@dataclass(frozen=True)
class _Shadows:
    """Updates whose batches the adversary knows."""

    updates: Float[Tensor, "shadows entries"]
    properties: Float[Tensor, "shadows properties"]


@attacks.register("property-inference")
@dataclass(frozen=True, kw_only=True)
class PropertyInference(Attack):
    """Learns on updates of public batches how those look whose images mostly have a property, then asks the update.

    The shadow updates are made as the client makes its own: from the same weights, with as many examples, the same
    training and defenses. For each property of `fedleak.contracts.properties` a classifier gives the probability that
    more than half of the images have it. Where all public batches agree, so does the answer. It needs public data.
    """

    paper: ClassVar = "https://arxiv.org/abs/1805.04049"
    cites: ClassVar = "melis2019exploiting"
    shadows: Count = 200
    """Public batches that updates are made of."""
    classifier: Classifier = "logistic"
    """The classifier of updates; the paper has both."""

    def adapts_to(self, chain: Chain) -> bool:
        return bool(chain)  # it learns from updates that went through the same defenses

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"properties"})

    def reconstruct(self, observation: Observation, rng: Generator) -> Reconstruction:
        require_images(observation.task.space, "the catalogue of properties")
        require_usable(observation)
        public = _public_examples(observation)
        sketch = Sketch.of(len(observation.update.vector()), rng)
        shadows = self._shadows(observation, public, sketch, rng)
        if not torch.isfinite(shadows.updates).all():
            raise NotApplicable("training diverges on public batches, so there is nothing to learn from")
        known, seen = coordinates(shadows.updates, sketch(observation.update.tensors))
        seed = int(torch.randint(2**31, (), generator=rng))
        answers = [
            math.nan if answer.isnan().any() else classify(self.classifier, known, answer, seen, seed)
            for answer in shadows.properties.T
        ]
        return Reconstruction(properties=torch.tensor(answers))

    def _shadows(self, observation: Observation, public: Batch, sketch: Sketch, rng: Generator) -> _Shadows:
        batches = draw_batches(public, observation.examples(), self.shadows, rng)
        updates = []
        for done, batch in enumerate(batches):
            report(done, len(batches))
            updates.append(sketch(shadow_update(observation, batch, rng).tensors))
        return _Shadows(torch.stack(updates), torch.stack([of_most(batch.inputs) for batch in batches]))


def _public_examples(observation: Observation) -> Batch:
    """The public examples, of which there must be a batch at least."""
    public, needed = observation.auxiliary, observation.examples()
    if public is None or len(public) < needed:
        raise NotApplicable(f"shadow updates need {needed} public examples, a batch, and there are {len(public or ())}")
    return public
