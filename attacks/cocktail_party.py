"""The Cocktail Party attack: a linear layer's gradient is a mixture of its inputs, and mixtures can be unmixed."""

from dataclasses import dataclass
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
from .parts.first_inputs import Layer, read_layer
from .parts.first_layer import FirstLayer
from .parts.inner_layer import Front, find_inner_layer, head_behind_relu
from .parts.label_rule import LabelRule
from .parts.neurons import unexplained
from .parts.pairing import labels_of
from .parts.peeling import Mixture, Peeling
from .parts.refitting import refitted
from .parts.span import certify_span, provable


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
        names = find_inner_layer(observation.task)
        if isinstance(names, str):
            return Reconstruction.failed(names)
        problem = defect(observation)
        if problem:
            return Reconstruction.failed(problem)
        front = Front(observation, names)
        layer = read_layer(observation, names)
        problem = front.refusal() or _unfit(observation, names, layer)
        if problem:
            return Reconstruction.failed(problem)
        mixture = _mixture(observation, front, layer, rng)
        shape = front.shape()
        contrast = edges(shape) if len(shape) == 3 else centred
        peeled = Peeling(mixture, contrast, self.searches, rng).run()
        inputs = mixture.inputs(peeled.unmixing).clamp(*mixture.bounds)
        proved, found = len(peeled.labels), len(inputs)
        note = f"{proved} of {observation.examples()} examples are proved, {found - proved} guessed"
        labels = torch.tensor(peeled.labels) if proved == found else None
        if front.is_empty():
            return self._images(observation, front, layer, inputs, labels, note, rng)
        return self._inverted(observation, names, inputs, labels, note, rng)

    def _images(
        self,
        observation: Observation,
        front: Front,
        layer: Layer,
        inputs: Float[Tensor, "rank features"],
        labels: Int[Tensor, " rank"] | None,
        note: str,
        rng: Generator,
    ) -> Reconstruction:
        """The inputs as images, made exact where all of the gradient can be explained, with what proves them."""
        images = inputs.reshape(-1, *observation.task.shape)
        labels = labels if labels is not None else labels_of(observation, images.float())
        if labels is not None and certifiable(observation):
            images = _exact(front, layer, inputs, labels).reshape(images.shape)
        images = images.float()
        residual = None if labels is None else certify(observation, images, labels)
        span = certify_span(observation, layer, images.double().flatten(1))
        return Reconstruction(
            inputs=images,
            labels=labels if residual else self._labels(observation, rng),
            mismatch=unexplained(layer.gradient, inputs),
            certifiable=provable(observation),
            certificate="; ".join(test for test in (residual, span) if test) or None,
            note=note,
        )

    def _inverted(
        self,
        observation: Observation,
        names: FirstLayer,
        features: Float[Tensor, "rank features"],
        labels: Int[Tensor, " rank"] | None,
        note: str,
        rng: Generator,
    ) -> Reconstruction:
        """Images with these features."""
        inversion = Inversion(steps=self.steps, learning_rate=self.learning_rate, smoothness=self.total_variation)
        front = Front(observation, names, torch.float32)
        images, rest = inversion.run(front, features.float(), observation.task.shape, rng)
        labels = labels if labels is not None else labels_of(observation, images)
        certificate = None if labels is None else certify(observation, images, labels)
        return Reconstruction(
            inputs=images,
            labels=labels if certificate else self._labels(observation, rng),
            mismatch=float(rest.mean()),
            certifiable=certifiable(observation),
            certificate=certificate,
            note=f"{note}; images leave {float(rest.median()):.0e} of their features unexplained",
        )

    def _labels(self, observation: Observation, rng: Generator) -> Int[Tensor, " guesses"] | None:
        inferred = self.labels.infer(observation, rng)
        return None if isinstance(inferred, str) else inferred


def _exact(
    front: Front, layer: Layer, inputs: Float[Tensor, "rank features"], labels: Int[Tensor, " rank"]
) -> Float[Tensor, "rank features"]:
    """Images under the network's own derivatives."""
    shape = front.task.shape
    return refitted(inputs, layer.gradient, lambda x: front.derivatives(x.reshape(-1, *shape), labels), (0.0, 1.0))


def _unfit(observation: Observation, names: FirstLayer, layer: Layer) -> str | None:
    """Why the layer's gradient cannot be unmixed, in words; None where it may be."""
    neurons, examples = int(layer.factors.awake.sum()), observation.examples()
    if not layer.factors.rank or not layer.bias_gradient.any():
        return (
            f"nothing in the gradient of '{names.weight}' is above its noise (about {layer.factors.noise:.0e} an entry)"
        )
    if neurons < examples:
        return (
            f"the first linear layer, '{names.weight}', has {neurons} neurons with a gradient, and to unmix {examples} "
            "examples there must be as many: smaller batches, or gradient matching"
        )
    return None


def _mixture(observation: Observation, front: Front, layer: Layer, rng: Generator) -> Mixture:
    """The layer's gradient as a mixture of its inputs."""
    factors = layer.factors
    ones = torch.linalg.lstsq(factors.left, layer.bias_gradient[factors.awake, None]).solution[:, 0]
    jacobian = head_behind_relu(observation, front, rng)
    with torch.no_grad():
        features = front(torch.rand(4, *observation.task.shape, generator=rng))
    low = 0.0 if bool((features >= 0).all()) else -torch.inf
    return Mixture(
        left=factors.left,
        right=factors.right,
        ones=ones,
        noise=factors.noise,
        weight=layer.weight[factors.awake],
        bias=layer.bias[factors.awake],
        jacobian=None if jacobian is None else jacobian[factors.awake],
        bounds=(low, 1.0 if front.is_empty() else torch.inf),
    )
