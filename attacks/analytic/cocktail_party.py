"""Cocktail Party attack: a linear layer's gradient is a mixture of its inputs, and mixtures can be unmixed."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.learning.space import require_continuous
from fedleak.settings.base import Amount, Count, Rate

from ..label_inference.auto_labels import AutoLabels
from ..parts.applicability import require_gradient
from ..parts.classifier_head.label_rule import LabelRule
from ..parts.engine.feature_inversion import Inversion
from ..parts.linear_layers.first_layer import FirstLayer, Front, find_inner_layer
from ..parts.linear_layers.ica import Contrast, centered, edges, padded_rim
from ..parts.linear_layers.inputs import read_layer
from ..parts.linear_layers.mixture import Mixture, images_seen, require_separable
from ..parts.linear_layers.peeling import Peeling


@attacks.register("cocktail-party")
@dataclass(frozen=True, kw_only=True)
class CocktailParty(Attack):
    """Unmixes the first linear layer's weight gradient into the batch's inputs, as if they were voices at a party.

    The gradient is `Σ_j d_j x_jᵀ`: each row a mixture of the K inputs, in its own proportions. Its row space of rank K
    is unmixed by independent component analysis (log cosh), and the bias gradient `Σ_j d_j` gives each input its sign
    and scale. Images are separated by their edges, in brightness and color. Behind a convolutional front the inputs
    are features, and images that have these features are found by descent (feature inversion).

    Beyond the paper: where a ReLU and the head are all that is behind the layer, a guess shows which neurons are
    inactive, and from these the example's exact derivatives d_j follow, which hold at every neuron or are no proof.
    Proved examples are taken out of the mixture and the rest is unmixed again; when all are, the inputs are exact.
    Needs as many neurons, and as many inputs of the layer, as there are examples; examples with one and the same input
    are found as one. The gradient's length need not be known.

    Clients that each took one step are as good as one batch. After several steps only examples of the first can be
    proved, and the rest is as near as independence brings it: photos, 8 in two steps (10 draws), come out at 41 dB
    where the prior has 10, 96 in 100 above 20 dB.

    Nothing is proved of images found by descent. Photos, batches of 8, the mean of 5 draws where the prior has 10 or
    11 dB: 35, 34 and 30 dB behind one convolution, two, and two with pooling; behind two convolutions 28 dB where no
    features can be proved, 26 after two steps, 23 after three epochs, for the front itself moves.
    """

    paper: ClassVar = "https://arxiv.org/abs/2209.05578"
    cites: ClassVar = "kariyappa2023cocktail"
    searches: Count = 200
    """Mixtures of guesses that are tried where no guess leads to a proof."""
    steps: Count = 600
    """Iterations of feature inversion; none where the layer sees the image itself."""
    learning_rate: Rate = 0.1
    total_variation: Amount = 0.03
    """Weight in feature inversion: what features leave open is smooth. With 0.001 photos come out 3 to 12 dB worse."""
    labels: LabelRule = AutoLabels()
    """The rule for labels where they do not follow from the images."""

    def reconstruct(self, observation: Observation, rng: Generator) -> Reconstruction:
        require_continuous(observation.task.space, "unmixing")
        names = find_inner_layer(observation.task)
        require_gradient(observation)
        front = Front(observation, names)
        layer = read_layer(observation, names)
        front.require_one_vector()
        require_separable(observation, names, layer)
        mixture = Mixture.of(observation, front, layer, rng)
        peeled = Peeling(mixture, _contrast(front), self.searches, rng).run()
        inputs = mixture.inputs(peeled.unmixing).clamp(*mixture.bounds)
        labels = torch.tensor(peeled.labels) if len(peeled.labels) == len(inputs) else None
        if front.is_empty():
            guess = images_seen(observation, front, layer, inputs, labels)
        else:
            guess = replace(self._inverted(observation, names, inputs, rng), labels=labels)
        if guess.failure:
            return guess
        if guess.labels is None:
            guess = replace(guess, labels=self.labels.infer_if_applicable(observation, rng))
        proved, count = len(peeled.labels), len(inputs)
        note = f"of {observation.examples()} examples {proved} are unmixed by proof, {count - proved} by independence"
        return replace(guess, note="; ".join(filter(None, (note, guess.note))))

    def _inverted(
        self, observation: Observation, names: FirstLayer, features: Float[Tensor, "rank features"], rng: Generator
    ) -> Reconstruction:
        """Images with these features. No labels: descent leaves too much of the gradient unexplained to prove any."""
        inversion = Inversion(steps=self.steps, learning_rate=self.learning_rate, smoothness=self.total_variation)
        front = Front(observation, names, torch.float32)
        guess, rest = inversion.run(front, features.float(), observation.task.space, rng)
        if guess.failure:
            return guess
        unexplained = f"images leave {float(rest.median()):.0e} of their features unexplained"
        return replace(guess, mismatch=float(rest.mean()), note="; ".join(filter(None, (guess.note, unexplained))))


def _contrast(front: Front) -> Contrast:
    """The edges of the images or feature maps that the layer sees, without those that padding makes."""
    shape = front.shape()
    if len(shape) != 3:
        return centered
    flat = front(torch.full((2, *front.task.shape), front.task.space.middle))[0]
    return edges(shape, padded_rim(flat.reshape(shape)))
