"""Public models: what models say of a text that the adversary trains itself, on public text alone."""

import torch
from jaxtyping import Float, Float64
from torch import Generator, Tensor

from fedleak.contracts.released import Released
from fedleak.contracts.served import Served
from fedleak.errors import NotApplicable
from fedleak.goals.goal import public_in
from fedleak.learning.spelling import Said
from fedleak.learning.stacked_federations import StackedFederations
from fedleak.learning.task import Task
from fedleak.learning.weights import NamedTensors, Weights

MODELS = 4
"""That are trained, all at once."""
AT_ONCE = 1024
"""Windows that a model looks at together."""


def public_models(view: Released | Served) -> NamedTensors:
    """The parameters of some models of federations like the observed one on public examples, stacked.

    Raises `NotApplicable` where the adversary holds none, or where such models cannot be trained.
    """
    public = public_in(view)
    if public is None:
        raise NotApplicable("the adversary holds no public text to train a model of its own on")
    asked = StackedFederations.drawn(
        view.task,
        public,
        view.training,
        federations=MODELS,
        clients=len(view.cohort),
        examples=len(public) if view.num_examples is None else view.num_examples,
        rounds=view.round,
    )
    return view.shadows.trained(asked)


def said_by_one(view: Released | Served, rng: Generator) -> Said:
    """What one of them says, drawn by chance."""
    chosen = int(torch.randint(MODELS, (1,), generator=rng))
    return said_with(view.task, _of(view.task, public_models(view), chosen))


def said_with(task: Task, weights: Weights) -> Said:
    """What a model says comes after each window."""

    def said(windows: Float[Tensor, "windows length"]) -> Float64[Tensor, "windows characters"]:
        with torch.no_grad():
            parts = [task.logits(weights, part, mode="eval") for part in torch.split(windows, AT_ONCE)]
        return torch.cat(parts).double().log_softmax(1)

    return said


def _of(task: Task, stacked: NamedTensors, place: int) -> Weights:
    parameters = {name: value[place] for name, value in stacked.items()}
    return Weights(parameters, Weights.of(task.network).buffers)
