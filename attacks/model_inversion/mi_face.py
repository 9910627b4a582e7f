"""MI-Face: gradient descent on pixels to an image that a released model is sure of, a denoiser after each step."""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.released import Released
from fedleak.errors import NotApplicable
from fedleak.learning.batch import Batch
from fedleak.learning.space import require_continuous, require_images
from fedleak.progress import report
from fedleak.settings.base import Count, Rate

from ..parts.model_inversion.asked_classes import (
    SureEnough,
    asked_classes,
    log_odds,
    require_finite_scores,
    sure_enough,
)
from ..parts.model_inversion.denoisers import Denoiser, component_denoiser, filtered, unchanged

Images = Float[Tensor, "asked *shape"]
Costs = Float[Tensor, " asked"]


@attacks.register("mi-face")
@dataclass(frozen=True, kw_only=True)
class MIFace(Attack[Released]):
    """Descends to an image that the model is sure shows the class, with a denoiser after each step (Algorithm 1).

    The cost is one minus the confidence, which is flat where the model is sure, so that the descent ends near where it
    began. That is why the start counts most: from the mean public image it changes what tells the class from others,
    and the rest stays plausible. The log-odds are never flat: with `sure = 1`, `cost = "log-odds"` and no denoiser
    this is ascent on raw pixels, which convinces any classifier with images that are like none of the class.
    How sure the model usually is, public images tell: a model trained for flat answers is never as sure as the paper
    asks, and a descent that goes on until it is walks off.
    Differences from the paper: it starts from zero, and has no public data; and its denoiser, non-local means between
    the halves of the attacked autoencoder, is here the projection on components of public images, or filters alone.
    """

    paper: ClassVar = "https://doi.org/10.1145/2810103.2813677"
    cites: ClassVar = "fredrikson2015model"
    start: Literal["public-mean", "zero"] = "public-mean"
    cost: Literal["confidence", "log-odds"] = "confidence"
    """What falls: one minus the confidence in the class, or minus its log-odds."""
    denoiser: Literal["none", "filters", "components"] = "components"
    """What each step is followed by: nothing, a median and an unsharp mask, or the projection on `components`."""
    components: Count = 40
    """Principal components of the public examples that are kept."""
    steps: Count = 5000
    """The paper's alpha: steps at most."""
    patience: Count = 100
    """The paper's beta: an image is done once its cost is no less than the highest of so many steps before."""
    sure: SureEnough = None
    """The paper's gamma: the confidence at which an image is done, 1: at none. None: the paper's 0.99, or where the
    model is less sure of public examples than that, in the median, as sure as it is of those."""
    learning_rate: Rate = 0.1
    """The paper's lambda."""

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"representatives"})

    def reconstruct(self, observation: Released, rng: Generator) -> Reconstruction:  # noqa: ARG002
        require_continuous(observation.task.space, "gradient descent on examples")
        classes = asked_classes(observation)
        require_finite_scores(observation)
        descent = _Descent(self, observation, classes, self._process(observation), sure_enough(observation, self.sure))
        best, costs = descent.run(self._start(observation, len(classes)))
        return Reconstruction(representatives=best, mismatch=float(costs.mean()))

    def _start(self, view: Released, count: int) -> Images:
        space = view.task.space
        if self.start == "zero":
            return space.clamped(torch.zeros(count, *space.shape))
        return _public(view).inputs.mean(0, keepdim=True).repeat(count, *[1] * len(space.shape))

    def _process(self, view: Released) -> Denoiser:
        if self.denoiser == "filters":
            require_images(view.task.space, "a denoiser of filters")
            return filtered
        return component_denoiser(view.auxiliary, self.components) if self.denoiser == "components" else unchanged


@dataclass(frozen=True)
class _Descent:
    """The descent of all images at once, each until it is done."""

    attack: MIFace
    view: Released
    classes: Int[Tensor, " asked"]
    process: Denoiser
    sure: float

    def run(self, start: Images) -> tuple[Images, Costs]:
        """The images of the lowest cost that were passed, and that cost."""
        attack, images, going = self.attack, start, torch.ones(len(start), dtype=torch.bool)
        best, lowest, past = start.clone(), torch.full((len(start),), torch.inf), list[Tensor]()
        for step in range(attack.steps + 1):
            costs, slopes = self.costs(images)
            better = going & (costs < lowest)
            best[better], lowest[better] = images[better], costs[better]
            recent = past[-attack.patience :]
            if len(recent) == attack.patience:
                going = going & (costs < torch.stack(recent).amax(0))
            going = going & (costs > self.done)
            past.append(costs)
            report(step, attack.steps)
            if not going.any():
                break
            moved = self.view.task.space.clamped(self.process(images - attack.learning_rate * slopes))
            images = torch.where(going.view(-1, *[1] * (images.dim() - 1)), moved, images)
        return best, lowest

    @property
    def done(self) -> float:
        """The cost at which an image is good enough."""
        if self.attack.cost == "confidence":
            return 1 - self.sure
        return -math.log(self.sure / (1 - self.sure)) if self.sure < 1 else -math.inf

    def costs(self, images: Images) -> tuple[Costs, Images]:
        """The cost of each image, and its slope."""
        leaf = images.detach().requires_grad_()
        scores = self.view.task.logits(self.view.weights, leaf, mode="eval")
        if self.attack.cost == "log-odds":
            costs = -log_odds(scores, self.classes)
        else:
            costs = 1 - scores.softmax(1).gather(1, self.classes[:, None])[:, 0]
        (slopes,) = torch.autograd.grad(costs.sum(), leaf)
        return costs.detach(), slopes


def _public(view: Released) -> Batch:
    if view.auxiliary is None or not len(view.auxiliary):
        raise NotApplicable("the adversary holds no public examples to start from")
    return view.auxiliary
