"""LTI, Learning To Invert: a network trained on public examples turns updates into images."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Float64
from torch import Generator, Tensor

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Diagnosis, Reconstruction
from fedleak.errors import NonFiniteError, NotApplicable
from fedleak.learning.batch import Batch
from fedleak.learning.space import require_continuous
from fedleak.learning.update import UpdateKind
from fedleak.settings.base import Count, Rate, Share

from ..label_inference.auto_labels import AutoLabels
from ..parts.applicability import require_usable
from ..parts.classifier_head.label_rule import LabelRule
from ..parts.learning.inverter import Inverter, Pairs, Training, learn
from ..parts.learning.shadow import draw_batches, mixed, shadow_update
from ..parts.learning.update_features import Components, FeatureHash

FEWEST = 20
"""Public examples below which there is nothing to learn from and test on."""
HELD_OUT = 0.1
"""Share of the public examples that the inverter is tested on, never trained."""
TESTS = 100
"""Batches drawn of those."""
PLENTY = 10_000
"""Public examples, and batches of them, below which a poor figure says little of a defense: the paper had 50,000."""


@dataclass(frozen=True, kw_only=True)
class _Recipe:
    training: Training
    whitenings: tuple[float, ...]
    mixed: float


RECIPES = {
    "quick": _Recipe(
        training=Training(hidden=256, epochs=20, learning_rate=1e-3), whitenings=(0.0, 0.5, 0.75), mixed=0.5
    ),
    "paper": _Recipe(training=Training(hidden=3000, epochs=200, learning_rate=1e-4), whitenings=(0.0,), mixed=0.0),
}


@attacks.register("lti")
@dataclass(frozen=True, kw_only=True)
class LTI(Attack):
    """Trains a network on public examples to turn updates into images, and shows it the observed update.

    Public batches are put through the clients' own training and defenses, so what a defense does is learned with the
    rest: nothing of it needs a formula. The error of a batch is that of its best pairing. Needs public data; what it
    cannot infer comes out as the mean of public images.

    Differences from the paper, where 50,000 public images are there and here some hundred: updates are reduced to
    principal components, of which the faint ones are magnified as far as helps on held-out public examples (of three
    grades the best counts), and half of the batches are of mixed images and drawn labels. `recipe = "paper"` has
    neither. With fewer than 10,000 public examples and batches of them the answer says that it was starved. The epoch
    is chosen on held-out public examples, where the paper's code takes the test set's best.
    """

    paper: ClassVar = "https://arxiv.org/abs/2210.10880"
    cites: ClassVar = "wu2023learning"
    recipe: Literal["quick", "paper"] = "quick"
    """"quick" takes seconds on small networks; "paper" is 3000 hidden units, 200 epochs, a rate of 1e-4."""
    hidden: Count | None = None
    """Units of each of two hidden layers; None: 256, in the paper 3000."""
    epochs: Count | None = None
    """Passes over the shadow updates; None: 20, in the paper 200."""
    learning_rate: Rate | None = None
    """Adam's first, falling to zero along a half cosine. None: 1e-3, in the paper 1e-4."""
    shadows: Count = 2000
    """Public batches that updates are made of; a batch can come again, with other draws of the defense."""
    mixed: Share | None = None
    """Share of the shadow batches of mixed images and drawn labels; None: a half, in the paper none."""
    labels: LabelRule = AutoLabels()
    """The rule that the labels are inferred by; the network guesses images alone."""

    def adapts_to(self, chain: Chain) -> bool:
        return bool(chain)  # it learns from updates that went through the same defenses

    def reconstruct(self, observation: Observation, rng: Generator) -> Reconstruction:
        require_usable(observation)
        require_continuous(observation.task.space, "a network that guesses images")
        public = _public_examples(observation)
        try:
            seen, inverter = self._learned(observation, public, rng)
        except (NonFiniteError, ValueError) as error:
            reason = f"the clients' training cannot be played through on public data: {error}"
            raise NotApplicable(reason) from error
        space = observation.task.space
        inputs = space.at(inverter(seen, observation.examples())[0]).view(-1, *space.shape)
        return Reconstruction(
            inputs=inputs,
            labels=self.labels.infer_if_applicable(observation, rng),
            mismatch=inverter.error,
            note=f"public examples that it did not learn from come out at {-10 * math.log10(inverter.error):.1f} dB",
            diagnosis=_starved(len(public), self.shadows),
        )

    def _learned(
        self, observation: Observation, public: Batch, rng: Generator
    ) -> tuple[Float[Tensor, "1 features"], Inverter]:
        """The observed update's features, and the inverter for such."""
        recipe, examples = RECIPES[self.recipe], observation.examples()
        tests, rest = torch.arange(len(public)).tensor_split([math.ceil(HELD_OUT * len(public))])
        batches = draw_batches(public[rest], examples, self.shadows, rng)
        share = recipe.mixed if self.mixed is None else self.mixed
        batches = mixed(batches, share, observation.task.classes, rng)
        held_out = draw_batches(public[tests], examples, TESTS, rng)

        hashed = FeatureHash.of(len(observation.update.vector()), rng)
        vectors, others = (_vectors(observation, some, hashed, rng) for some in (batches, held_out))
        components, observed = Components.of(vectors), _scaled(observation, hashed(observation.update.vector()))[None]
        inverters = []
        for number, whitening in enumerate(recipe.whitenings):
            known = Pairs(components(vectors, whitening), _shares(batches))
            unknown = Pairs(components(others, whitening), _shares(held_out))
            inverters.append(learn(known, unknown, self._training(recipe), rng, (number, len(recipe.whitenings))))
        number, inverter = min(enumerate(inverters), key=lambda numbered: numbered[1].error)
        return components(observed, recipe.whitenings[number]), inverter

    def _training(self, recipe: _Recipe) -> Training:
        usual = recipe.training
        return Training(
            hidden=self.hidden or usual.hidden,
            epochs=self.epochs or usual.epochs,
            learning_rate=self.learning_rate or usual.learning_rate,
        )


def _public_examples(observation: Observation) -> Batch:
    """The public examples to learn from: enough of them, and an update that depends on the data."""
    public, count = observation.auxiliary, len(observation.auxiliary or ())
    if public is None or count < FEWEST:
        raise NotApplicable(
            f"learning to invert needs public examples, at least {FEWEST}, and there are {count}; set auxiliary"
        )
    if observation.masked:
        raise NotApplicable(
            "the update is under its masks: it is random numbers whatever the data, and there is nothing to learn"
        )
    return public


def _starved(public: int, shadows: int) -> Diagnosis | None:
    """That there was too little to learn from: such a network answers with something like the examples it knows."""
    if min(public, shadows) >= PLENTY:
        return None
    words = (
        f"it learned from {public} public examples in {shadows} batches, where the paper had 50,000: it was starved "
        f"and answers with something like those, so a low figure says nothing of a defense; give it {PLENTY:,} or more "
        "(adversary.auxiliary and shadows)"
    )
    return Diagnosis("starved", words)


def _vectors(
    observation: Observation, batches: Iterable[Batch], hashed: FeatureHash, rng: Generator
) -> Float64[Tensor, "updates bins"]:
    return torch.stack(
        [_scaled(observation, hashed(shadow_update(observation, batch, rng).vector())) for batch in batches]
    )


def _scaled(observation: Observation, vector: Float64[Tensor, " bins"]) -> Float64[Tensor, " bins"]:
    """Of length 1 where the clients' rate or number of steps is unknown, so that shadows differ in length."""
    training, kind = observation.training, observation.update.kind
    known = training.learning_rate is not None and training.steps is not None
    return vector if known or kind is UpdateKind.GRADIENT else vector / vector.norm().clamp_min(1e-300)


def _shares(batches: Iterable[Batch]) -> Float[Tensor, "updates batch values"]:
    """The examples in units of their range, as sigmoids can give them."""
    return torch.stack([batch.space.shares(batch.inputs).flatten(1) for batch in batches])
