"""Fishing: a last layer under which the examples of one class alone, or the most unusual of them, have a gradient."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Generator, Tensor

from fedleak.contracts.manipulation import Crafting, Manipulation, ServerTerms, manipulations
from fedleak.defenses.parts.dense import dense_layers
from fedleak.errors import ConfigError
from fedleak.learning.task import Task
from fedleak.learning.weights import NamedTensors, Weights
from fedleak.randomness import seeded
from fedleak.settings.base import Rate

FEWEST = 8
"""Public examples that a feature is chosen by at least."""


@manipulations.register("fishing")
@dataclass(frozen=True, kw_only=True)
class Fishing(Manipulation):
    """Fishing: the last layer is crafted so that of a large batch one class alone has a gradient below it.

    With the rows of all other classes 0 and their biases far above (`form = "class"`), no example of another class ever
    moves what is in front: the posterior of the target is 0 for all, and only an example whose label it is wants it
    higher. So the update, below the last layer and in the target's row, is of the target's examples alone, through any
    sum. Everybody is sent the same.

    `form = "feature"` singles out among examples of one class: the target's logit goes down steeply with one feature,
    `feat_mult (t - f)`, so that those with a feature above the threshold t have a gradient. It stands where public
    examples say that one in a client's batch is above. Examples of other classes have one wherever it is below, so it
    is for clients whose examples are all of the target's class. The paper finds t by asking again; here it is asked
    once.
    """

    paper: ClassVar = "https://arxiv.org/abs/2202.00580"
    cites: ClassVar = "wen2022fishing"
    deed: ClassVar = "sends a model whose last layer gives the examples of one class alone a gradient"
    takes: ClassVar = "that clients do not look at the last layer that they are sent"
    target_class: Annotated[int, Field(ge=0)] = 0
    """The class that is fished for, by its index."""
    form: Literal["class", "feature"] = "class"
    """What is told apart: a class, or an example of it by a feature."""
    class_mult: Rate | None = None
    """Of a class: each weight of the target's row, 0.5 in the paper's code; None: the row stays what it was, by which
    the gradient says much more of an image."""
    bias: Rate = 1000.0
    """Of a class: the bias of all other classes, which must be above any score of the target."""
    feat_mult: Rate = 300.0
    """Of a feature: how steeply the target's logit goes with it."""

    @property
    def uses_public(self) -> bool:  # type: ignore[override]  # one form of two does
        return self.form == "feature"

    def require(self, terms: ServerTerms) -> None:
        task = terms.task
        if self.target_class >= task.classes:
            raise ConfigError(
                f"'{self.name}' is after class {self.target_class}, and '{task.name}' has {task.classes}, counted from "
                "0; name one of these"
            )
        if not task.criterion.plain or task.criterion.single_logit or task.classes < 3:
            raise ConfigError(
                f"'{self.name}' is made for plain cross-entropy over three classes or more, and '{task.name}' has "
                f"{task.classes} under {task.criterion.words}; choose another task"
            )
        head_of(task, self.name)
        if self.form == "feature" and terms.public < FEWEST:
            raise ConfigError(
                f"'{self.name}' chooses a feature by {FEWEST} public examples at least, and the adversary holds "
                f'{terms.public}; set adversary.auxiliary, or form = "class"'
            )

    def craft(self, at: Crafting, rng: Generator) -> Weights:
        head = head_of(at.task, self.name)
        weight, bias = (at.weights.parameters[f"{head}.{kind}".removeprefix(".")] for kind in ("weight", "bias"))
        crafted = self._class(weight, bias) if self.form == "class" else self._feature(at, head, weight, bias)
        named: NamedTensors = dict(zip((f"{head}.weight", f"{head}.bias"), crafted, strict=True))
        return Weights({**at.weights.parameters, **named}, at.weights.buffers)

    def _class(
        self, weight: Float[Tensor, "classes features"], bias: Float[Tensor, " classes"]
    ) -> tuple[Float[Tensor, "classes features"], Float[Tensor, " classes"]]:
        rows, above = torch.zeros_like(weight), torch.full_like(bias, self.bias)
        own = weight[self.target_class]
        rows[self.target_class] = own if self.class_mult is None else self.class_mult
        above[self.target_class] = bias[self.target_class]
        return rows, above

    def _feature(
        self, at: Crafting, head: str, weight: Float[Tensor, "classes features"], bias: Float[Tensor, " classes"]
    ) -> tuple[Float[Tensor, "classes features"], Float[Tensor, " classes"]]:
        """By the feature that public examples of the class differ most in, or all, where too few are of it."""
        assert at.public is not None
        own = at.public.inputs[at.public.labels == self.target_class]
        features = features_of(at.task, at.weights, head, own if len(own) >= FEWEST else at.public.inputs)
        chosen = int(features.std(0).argmax())
        threshold = float(features[:, chosen].quantile(1 - 1 / at.federation.batch_size))
        rows, level = torch.zeros_like(weight), torch.zeros_like(bias)
        rows[self.target_class, chosen] = -self.feat_mult
        level[self.target_class] = self.feat_mult * threshold
        return rows, level


def head_of(task: Task, name: str) -> str:
    """The place of the last dense layer, which gives a score and has a bias for each class; raises `ConfigError`."""
    places = dense_layers(task.network)
    if places:
        layer = task.network.get_submodule(places[-1])
        if layer.out_features == task.classes and layer.bias is not None and layer.weight.requires_grad:
            return places[-1]
    raise ConfigError(
        f"'{name}' crafts a last linear layer with a bias, and the network of '{task.name}' does not end in one; "
        "choose a task whose network does"
    )


def features_of(
    task: Task, weights: Weights, head: str, inputs: Float[Tensor, "examples *shape"]
) -> Float[Tensor, "examples features"]:
    """What enters the last layer, in eval mode."""
    seen: list[Tensor] = []
    hook = task.network.get_submodule(head).register_forward_pre_hook(lambda _, entering: seen.append(entering[0]))
    try:
        with torch.no_grad(), seeded("features"):
            task.logits(weights.clone(), inputs, mode="eval")
    finally:
        hook.remove()
    return seen[0]
