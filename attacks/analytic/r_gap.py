"""R-GAP: one example, layer by layer from the last to the first, by linear equations alone."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor, nn

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.errors import NotApplicable
from fedleak.gradients.precision import in_dtype
from fedleak.gradients.rank import rounding_of
from fedleak.learning.weights import NamedTensors
from fedleak.settings.base import Count

from ..parts.applicability import length_unknown, mode_of, require_gradient
from ..parts.certificates import certifiable, certify
from ..parts.layerwise.determinacy import rank_words
from ..parts.layerwise.head_features import HeadFeatures, head_features
from ..parts.layerwise.linear_chain import Link, find_chain
from ..parts.layerwise.walk import walk_back


@attacks.register("r-gap")
@dataclass(frozen=True, kw_only=True)
class RGAP(Attack):
    """Walks back through the network: each layer's input is the least-squares solution of its weights' and gradient's
    equations.

    The head's gradient gives the features and the derivative by the logits. From a layer's output and its derivative
    come linear equations for its input, `W * x = z` and `d ⋆ x = dL/dW`; then the derivative by that input, and so on
    to the image. Nothing is optimized, nothing drawn. Where the equations of every layer have full rank the image is
    exact up to noise, which grows from layer to layer; the note says what the ranks are.

    For one example and a plain chain of convolutions and linear layers with LeakyReLU, sigmoid, tanh or (where enough
    is awake) ReLU. Beyond the paper: any number of classes, biases, sparse matrices and pivoted Cholesky factors (a
    hundredth of the time), gradients of unknown length, and the sides of a kink settled by the equations behind it.
    """

    paper: ClassVar = "https://arxiv.org/abs/2010.07733"
    cites: ClassVar = "zhu2021rgap"

    largest: Count = 6_000
    """Inputs that a convolution may have; its equations take 8 bytes times their square, and a minute at 20,000."""

    def reconstruct(self, observation: Observation, rng: Generator) -> Reconstruction:  # noqa: ARG002
        chain = find_chain(observation.task)
        require_gradient(observation)
        weights = in_dtype(observation.before, torch.float64).parameters
        gradient = {name: value.double() for name, value in observation.gradient().items()}
        _require_solvable(observation, chain, gradient, self.largest)
        guesses: list[Reconstruction] = []
        refusals: list[NotApplicable] = []
        for head in _heads(observation, chain):
            try:
                guesses.append(self._guess(observation, chain, weights, gradient, head))
            except NotApplicable as refusal:
                refusals.append(refusal)
        if not guesses:
            raise refusals[0]
        return min(guesses, key=lambda guess: guess.mismatch)

    def _guess(
        self,
        observation: Observation,
        chain: tuple[Link, ...],
        weights: NamedTensors,
        gradient: NamedTensors,
        head: HeadFeatures,
    ) -> Reconstruction:
        """The image that one reading of the head leads to."""
        rounding = max(rounding_of(observation, link.weight) / _size(gradient, link) for link in chain)
        scaled = {name: head.scale * value for name, value in gradient.items()}
        walk = walk_back(chain, weights, scaled, head, rounding)
        if not torch.isfinite(walk.inputs).all():
            raise NotApplicable("the walk back through the layers diverged: the noise is too strong for it")
        space = observation.task.space
        images = space.clamped(walk.inputs).float().reshape(1, *space.shape)
        labels = torch.tensor([head.label])
        return Reconstruction(
            inputs=images,
            labels=labels,
            mismatch=_mismatch(observation, images, labels, scaled),
            certifiable=certifiable(observation),
            certificate=certify(observation, images, labels),
            note=rank_words(walk.steps),
        )


def _require_solvable(observation: Observation, chain: tuple[Link, ...], gradient: NamedTensors, largest: int) -> None:
    """Raises `NotApplicable` where no walk back can be tried."""
    last, examples = chain[-1], observation.examples()
    if examples != 1:
        raise NotApplicable(f"R-GAP is for one example, and {examples} are behind this update: try gradient matching")
    widest = max(
        (link for link in chain if isinstance(link.module, nn.Conv2d)), key=lambda link: link.inputs, default=last
    )
    if isinstance(widest.module, nn.Conv2d) and widest.inputs > largest:
        raise NotApplicable(
            f"layer '{widest.name}' has {widest.inputs} inputs, and {largest} are allowed: "
            "raise largest if there is the memory, or try gradient matching"
        )
    if observation.training.steps not in {1, None}:
        raise NotApplicable(
            f"R-GAP needs the gradient of one local step, and this update is of {observation.training.steps}"
        )
    criterion = observation.task.criterion
    if not criterion.plain or criterion.single_logit:
        raise NotApplicable(
            f"R-GAP is derived for cross-entropy with a score for each class, and clients minimize {criterion.words}"
        )
    if not gradient[last.weight].any():
        raise NotApplicable(f"the gradient of '{last.weight}' is zero: there is nowhere to start from")
    if length_unknown(observation) and last.bias is None and observation.task.classes == 2:
        raise NotApplicable(
            "two classes, a last layer without bias and an update of unknown length leave the features' length open"
        )


def _heads(observation: Observation, chain: tuple[Link, ...]) -> tuple[HeadFeatures, ...]:
    """What the last layer may have seen."""
    last, gradient = chain[-1], observation.gradient()
    before = observation.before.parameters
    return head_features(
        before[last.weight].double(),
        before[last.bias].double() if last.bias else None,
        gradient[last.weight].double(),
        gradient[last.bias].double() if last.bias else None,
        length_known=not length_unknown(observation),
    )


def _size(gradient: NamedTensors, link: Link) -> float:
    return max(float(gradient[link.weight].square().mean().sqrt()), 1e-300)


def _mismatch(observation: Observation, images: Tensor, labels: Tensor, gradient: NamedTensors) -> float:
    """The squared distance of the guess's gradient to the observed one, relative to it."""
    weights = in_dtype(observation.before, torch.float64)
    ours = observation.task.gradients(weights, images.double(), labels, mode=mode_of(observation))
    left = sum(float((ours[name] - value).square().sum()) for name, value in gradient.items())
    return left / sum(float(value.square().sum()) for value in gradient.values())
