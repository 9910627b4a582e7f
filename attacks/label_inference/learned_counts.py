"""Learned label counts: a regression trained on simulated batches of public examples."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float, Int
from torch import Generator, Tensor

from fedleak.contracts.attack import attacks
from fedleak.contracts.observation import Observation
from fedleak.errors import NotApplicable
from fedleak.settings.base import Count

from ..parts.applicability import length_unknown
from ..parts.classifier_head.class_presence import LOUD, presence
from ..parts.classifier_head.count_regression import Circumstances, best_counter
from ..parts.classifier_head.gradient import ends, head_gradient
from ..parts.classifier_head.label_rule import LabelRule, as_labels, public_examples, require
from ..parts.classifier_head.outputs import view
from ..parts.classifier_head.simulated_batches import Lens, draws, mean

MOST_NUMBERS = 8_000_000
"""How many numbers the sketches of all simulated batches may have."""
FEWEST = 200
"""Batches that are simulated in any case."""


@attacks.register("learned-counts")
@dataclass(frozen=True, kw_only=True)
class LearnedCounts(LabelRule):
    """Simulates: draws batches from public examples, learns how often each class is in them from the last layer's
    gradient, and applies that to the observed one.

    On trained networks much better than any closed rule, above all where a client has few classes. Where a linear
    regression on the bias gradient does better in the simulation (untrained networks), that is used. Differs from the
    paper, which learns whole images: gradient-boosted trees, on sketches of the last layer's gradient alone, and
    several local steps count as half before, half after training. Noise that a defense adds is simulated too.
    """

    paper: ClassVar = "https://arxiv.org/abs/2210.10880"
    cites: ClassVar = "wu2023learning"
    batches: Count = 2000
    """Batches to simulate; fewer where there are more than some ten classes, and 200 at least."""

    def infer(self, observation: Observation, rng: Generator) -> Int[Tensor, " guesses"]:
        require(observation, public=True, any_loss=True)
        shares = self._shares(observation, rng)
        gradient, examples = head_gradient(observation), observation.examples()
        return as_labels(presence(observation, gradient).settle(examples * shares, examples))

    def _shares(self, observation: Observation, rng: Generator) -> Float[Tensor, " classes"]:
        """The classes' shares of the batch, by the rule that did best in the simulation."""
        public, gradient, examples = public_examples(observation), head_gradient(observation), observation.examples()
        views = [view(observation, public.inputs, weights) for weights in ends(observation)]
        features = [seen.features for seen in views if seen.features is not None]
        if len(features) < len(views):
            raise NotApplicable("the last layer's input is no single vector, which rehearsal needs; try 'batch-counts'")
        lens = Lens.on(features[0], public.labels, gradient)
        criterion = observation.task.criterion
        errors = [criterion.derivative(seen.logits, public.labels) for seen in views]
        single = [lens.examples(*pair) for pair in zip(errors, features, strict=True)]
        batches = max(min(self.batches, MOST_NUMBERS // single[0].columns[0].numel()), FEWEST)
        drawn = draws(public.labels, observation.task.classes, examples, batches, rng)
        # The derivatives add up to the gradient times what the mean divides by.
        size = examples / criterion.normalizers(drawn.counts)
        simulated = mean([sketch.mixed(drawn.shares * size[:, None]) for sketch in single])
        observed = lens.batch(gradient, examples)
        if observation.defense:
            simulated = simulated.disturbed(examples * gradient.noise(), lens, rng)
        same = Circumstances(floor=LOUD * examples * gradient.noise(), examples=examples)
        if length_unknown(observation):
            same = Circumstances(floor=same.floor / float(observed.lengths()), examples=None)
            simulated, observed = simulated.unit(), observed.unit()
        counter = best_counter(simulated, drawn.counts / examples, same, rng)
        return counter.shares(observed)[0]
