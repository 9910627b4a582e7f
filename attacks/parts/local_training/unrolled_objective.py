"""Objective of several local steps: what is minimized, and what is optimized besides images."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from fedleak.contracts.observation import Observation
from fedleak.learning.training import LocalTraining
from fedleak.learning.update import UpdateKind, effective_steps

from ..applicability import length_unknown
from ..engine.distances import cosine, inner, squared
from ..engine.gradient_match import GradientMatch, Term, pixels
from ..engine.objective import Objective, Variables, by_autograd
from ..engine.regularizers import same_images
from .unrolled import LOG_RATE, MEMBERS, Merged, fixed_order, images_of_each_epoch, learned_members, members, unrolled

Order = Literal["learned", "separate", "fixed"]
"""How the unknown order of the examples is met; see `unrolled`."""
UNITS = {MEMBERS: 1.0, LOG_RATE: 0.2}
"""Where a pixel's range counts 1."""
USUAL_RATE = 0.1


@dataclass(frozen=True, kw_only=True)
class LocalTrainingMatch:
    """Dummy data on which `training` is to end where the client's did."""

    observation: Observation
    training: LocalTraining
    match: GradientMatch
    order: Order
    images: int
    """Dummy images: more than there are examples where each epoch has its own."""

    @classmethod
    def of(
        cls,
        observation: Observation,
        training: LocalTraining,
        labels: Int[Tensor, "batch *classes"],
        order: Order,
        rng: Generator,
        *,
        terms: tuple[tuple[float, Term | None], ...] = (),
        epoch_prior: float = 0.0,
        dtype: torch.dtype = torch.float32,
        device: str = "cpu",
    ) -> "LocalTrainingMatch":
        """The problem for one way of training; labels are dealt out to batches by `rng` unless that is learned.

        The length of the update counts where a rate or a number of steps is to be inferred from it.
        """
        epochs = training.epochs or 1
        dealt = [labels[torch.randperm(len(labels), generator=rng)] for _ in range(epochs)]
        plan, names = {
            "fixed": (fixed_order(training), dealt[0]),
            "separate": (images_of_each_epoch(training), torch.cat(dealt)),
            "learned": (learned_members(), labels),
        }[order]
        match = GradientMatch.of(
            observation,
            squared if length_unknown(observation) and not observation.defense else cosine,
            pixels(names.to(device)),
            simulate=unrolled(observation, training, plan),
            terms=(*terms, (epoch_prior if order == "separate" else 0.0, same_images(epochs))),
            units=UNITS,
            dtype=dtype,
            device=device,
        )
        return cls(observation=observation, training=training, match=match, order=order, images=len(names))

    @property
    def objective(self) -> Objective:
        """What is minimized; its guess has one image for each example."""
        return Merged.of(self.match, self.training.epochs or 1) if self.order == "separate" else self.match

    def start(self, images: Float[Tensor, "images *shape"], rng: Generator) -> Variables:
        """All variables, for an attempt that starts with these images."""
        variables = {"inputs": images}
        if self.order == "learned":
            variables[MEMBERS] = members(self.training, self.images, rng).to(images)
        if self.training.learning_rate is None:
            variables[LOG_RATE] = torch.as_tensor(self._first_log_rate(images)).to(images)
        return variables

    def _first_log_rate(self, images: Tensor) -> float:
        """The rate at which the steps would be as long as observed if all were like the first one on these images."""
        dummy, steps = self.match.decode({"inputs": images}), effective_steps(self.training) or 1.0
        model = self.match.model
        slopes = list(model.sent(model.gradients(dummy.inputs, dummy.labels, by_autograd)).values())
        observed = list(self.observation.gradient().values())
        ratio = float(inner(observed, observed) / inner(slopes, slopes).detach()) ** 0.5 / steps
        usable = self.observation.update.kind is UpdateKind.DELTA and math.isfinite(ratio) and ratio > 0
        return math.log(ratio if usable else USUAL_RATE)
