"""The Cocktail Party attack: a linear layer's gradient is a mixture of its inputs, and mixtures can be unmixed."""

from dataclasses import dataclass
from math import prod
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from fedleak.attack import Attack, attacks
from fedleak.observation import Observation
from fedleak.reconstruction import Reconstruction
from fedleak.settings import Amount, Count, Rate

from .auto_labels import AutoLabels
from .parts.certificate import certifiable, certify
from .parts.edges import centred, edges
from .parts.evidence import defect
from .parts.feature_inversion import Inversion
from .parts.inner_layer import Front, InnerLayer, feature_shape, find_inner_layer, head_behind_relu
from .parts.label_rule import LabelRule
from .parts.low_rank import LowRank, low_rank, rounding_of
from .parts.neurons import unexplained
from .parts.pairing import labels_of
from .parts.peeling import Mixture, Peeled, Peeling


@attacks.register("cocktail-party")
@dataclass(frozen=True, kw_only=True)
class CocktailParty(Attack):
    """Unmixes the first linear layer's weight gradient into the batch's inputs, as if they were voices at a party.

    The gradient is `Σ_j d_j x_jᵀ`: each row a mixture of the K inputs, in its own proportions. Its row space of rank K
    is unmixed by independent component analysis (log cosh), and the bias gradient `Σ_j d_j` gives each input its sign
    and scale. Images are told apart by their edges, in brightness and colour. Behind a convolutional front the inputs
    are features, and images that have these features are found by descent (feature inversion).

    Beyond the paper: where a ReLU and the head are all that is behind the layer, a guess tells which neurons sleep, and
    from these the example's exact derivatives d_j follow, which hold at every neuron or are no proof. Proved examples
    are taken out of the mixture and the rest is unmixed again; when all are, the inputs are exact. Needs more neurons
    than examples. Unknown learning rates, several steps and clients are no obstacle to the unmixing.
    """

    paper: ClassVar = "https://arxiv.org/abs/2209.05578"
    bibtex: ClassVar = """@inproceedings{kariyappa2023cocktail,
  title = {Cocktail Party Attack: Breaking Aggregation-Based Privacy in Federated Learning Using Independent Component
           Analysis},
  author = {Kariyappa, Sanjay and Guo, Chuan and Maeng, Kiwan and Xiong, Wenjie and Suh, G. Edward and
            Qureshi, Moinuddin K. and Lee, Hsien-Hsin S.},
  booktitle = {International Conference on Machine Learning}, pages = {15884--15899}, year = {2023},
  url = {https://arxiv.org/abs/2209.05578}
}"""
    searches: Count = 200
    """Mixtures of guesses that are tried where no guess leads to a proof."""
    steps: Count = 600
    """Iterations of feature inversion; none where the layer sees the image itself."""
    learning_rate: Rate = 0.05
    total_variation: Amount = 1e-3
    labels: LabelRule = AutoLabels()
    """The rule for labels where the images do not tell them."""

    def reconstruct(self, observation: Observation, rng: Generator) -> Reconstruction:
        layer = find_inner_layer(observation.task)
        if isinstance(layer, str):
            return Reconstruction.failed(layer)
        problem = defect(observation)
        if problem:
            return Reconstruction.failed(problem)
        front = Front(observation, layer)
        weight = observation.gradient()[layer.weight]
        factors = low_rank(weight, observation.examples(), rounding_of(observation, layer.weight))
        problem = front.refusal() or _unfit(observation, layer, factors)
        if problem:
            return Reconstruction.failed(problem)
        mixture = _mixture(observation, layer, front, factors, rng)
        sees_image = len(layer_shape := feature_shape(front)) == 3 and layer_shape == observation.task.shape
        contrast = edges(layer_shape) if len(layer_shape) == 3 else centred
        peeled = Peeling(mixture, contrast, self.searches, rng).run()
        inputs = mixture.inputs(peeled.unmixing).clamp(*mixture.bounds)
        return self._finished(observation, front, weight, inputs, peeled, sees_image, rng)
