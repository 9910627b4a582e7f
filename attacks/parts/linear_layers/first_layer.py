"""First linear layer: where it is in a network, what goes into it, and how its derivatives are made."""

from dataclasses import dataclass
from math import prod

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn

from fedleak.contracts.observation import Observation
from fedleak.errors import NotApplicable
from fedleak.gradients.precision import in_dtype
from fedleak.learning.task import Task
from fedleak.learning.weights import names_of
from fedleak.randomness import seeded

from ..applicability import mode_of
from ..classifier_head.gradient import find_head


@dataclass(frozen=True, kw_only=True)
class FirstLayer:
    """Names of the parameters of a linear layer on the flattened image."""

    weight: str
    bias: str
    behind: str
    """The class of the module that is declared next, as a rule the activation; empty where there is none."""


def find_first_layer(task: Task) -> FirstLayer:
    """The first trainable layer, which must be linear, have a bias and see the whole image."""
    modules = [(n, m) for n, m in task.network.named_modules() if not list(m.children())]
    places = [i for i, (_, module) in enumerate(modules) if any(one.requires_grad for one in module.parameters())]
    name, layer = modules[places[0]] if places else ("", None)
    _require_own_weight(task, name, layer)
    if not isinstance(layer, nn.Linear):
        raise NotApplicable(
            f"the first trainable layer of '{task.name}' is a {type(layer).__name__}, not linear: try gradient matching"
        )
    if layer.in_features != prod(task.shape):
        raise NotApplicable(
            f"the first linear layer of '{task.name}' sees {layer.in_features} features, not {prod(task.shape)} pixels"
        )
    if layer.bias is None or not (layer.bias.requires_grad and layer.weight.requires_grad):
        raise NotApplicable(
            f"the first linear layer of '{task.name}' has no bias that is trained with its weights, so its input is "
            "known only up to a factor"
        )
    prefix = f"{name}." if name else ""
    behind = [type(module).__name__ for _, module in modules[places[0] + 1 : places[0] + 2]]
    return FirstLayer(weight=f"{prefix}weight", bias=f"{prefix}bias", behind="".join(behind))


def _require_own_weight(task: Task, name: str, layer: nn.Module | None) -> None:
    """Raises `NotApplicable` where a linear layer's weight or bias is another's too, or made of other parameters."""
    if not isinstance(layer, nn.Linear):
        return
    names = names_of(task.network)
    for own, value in (("weight", layer.weight), ("bias", layer.bias)):
        place = f"{name}.{own}" if name else own
        tied = [other for other, known_as in names.items() if known_as == names.get(place) and other != place]
        if tied or (place not in names and value is not None):
            why = f"is tied to '{tied[0]}'" if tied else "is made of other parameters"
            raise NotApplicable(
                f"'{place}' of '{task.name}' {why}, so its gradient does not show its inputs: try gradient matching"
            )


# The first linear layer behind other layers.

PROBES = 4
"""Random images that a network is tried on."""
EXACT = 1e-9
"""Relative error of double precision at most, where a formula holds."""


def find_inner_layer(task: Task) -> FirstLayer:
    """The first linear layer, behind whatever other layers; it must have a bias."""
    linear = [(name, module) for name, module in task.network.named_modules() if isinstance(module, nn.Linear)]
    layers = [
        (name, module)
        for name, module in linear
        if any(one.requires_grad and one.dim() > 1 for one in module.parameters())
    ]
    if not layers:
        raise NotApplicable(
            f"'{task.name}' has no linear layer that is trained, and the attack reads one: try gradient matching"
        )
    name, layer = layers[0]
    _require_own_weight(task, name, layer)
    if layer.bias is None or not layer.bias.requires_grad:
        raise NotApplicable(
            f"the first linear layer of '{task.name}' has no bias that is trained, so its inputs are known only up to "
            "factors"
        )
    prefix = f"{name}." if name else ""
    return FirstLayer(weight=f"{prefix}weight", bias=f"{prefix}bias", behind="")


class Front:
    """The network up to a linear layer's input, as a function of images; its weights are constants."""

    def __init__(self, observation: Observation, layer: FirstLayer, dtype: torch.dtype = torch.float64) -> None:
        self.task, self.layer, self.mode, self.dtype = observation.task, layer, mode_of(observation), dtype
        self.weights = in_dtype(observation.before, dtype)
        self.module = self.task.network.get_submodule(layer.weight.removesuffix("weight").removesuffix("."))

    def __call__(self, images: Float[Tensor, "batch *shape"]) -> Float[Tensor, "batch *features"]:
        """What goes into the layer."""
        return self._run(images)[-1]

    def require_one_vector(self) -> None:
        """Raises `NotApplicable` where the layer does not see one vector an image."""
        try:
            features = self(self._gray())
        except (ValueError, RuntimeError) as error:
            raise NotApplicable(
                f"the network does not run on two images in {self.mode} mode and double precision: {error}"
            ) from error
        except IndexError as error:
            raise NotApplicable(
                f"'{self.layer.weight}' of '{self.task.name}' is used by another module without being run, as in "
                "nn.MultiheadAttention, so what enters it cannot be read: try gradient matching"
            ) from error
        if features.dim() != 2:
            raise NotApplicable(
                f"the first linear layer of '{self.task.name}' sees {tuple(features.shape[1:])} of each image (tokens, "
                "say), and the attack needs one vector"
            )

    def is_empty(self) -> bool:
        """Whether the layer sees the image itself."""
        gray = self._gray()
        features = self(gray)
        return features.shape == gray.flatten(1).shape and bool((features == gray.flatten(1)).all())

    def shape(self) -> tuple[int, ...]:
        """The features of one image as they were before they were flattened: (channels, height, width) where that is
        what they were, else their number."""
        *maps, features = self._run(self._gray())
        shapes = [
            tuple(output.shape[1:]) for output in maps if output.dim() == 4 and output[0].numel() == features.shape[1]
        ]
        return shapes[-1] if shapes else tuple(features.shape[1:])

    def derivatives(
        self, images: Float[Tensor, "batch *shape"], labels: Int[Tensor, "batch *classes"]
    ) -> Float[Tensor, "batch neurons"]:
        """The mean loss's derivative by the layer's outputs, for each example."""
        seen: list[Tensor] = []

        def note(_: nn.Module, __: object, output: Tensor) -> Tensor:
            seen.append(output.detach().requires_grad_())
            return seen[0]

        handle = self.module.register_forward_hook(note)
        try:
            with seeded("front"):
                loss = self.task.loss(self.weights, images.to(self.dtype), labels, mode=self.mode)
        finally:
            handle.remove()
        (derivative,) = torch.autograd.grad(loss, seen)
        return derivative

    def _gray(self) -> Float[Tensor, "2 *shape"]:
        shades = torch.linspace(0.25, 0.75, 2 * prod(self.task.shape), dtype=self.dtype)
        return self.task.space.at(shades).reshape(2, *self.task.shape)

    def _run(self, images: Tensor) -> list[Tensor]:
        """The images, the outputs of the modules in their order, and the layer's input."""
        seen: list[Tensor] = [images]
        result: list[Tensor] = []

        def note(_: nn.Module, __: object, output: object) -> None:
            if isinstance(output, Tensor):
                seen.append(output)

        handles = [module.register_forward_hook(note) for module in self.task.network.modules()]
        handles.append(self.module.register_forward_pre_hook(lambda _, arguments: result.extend((*seen, arguments[0]))))
        try:
            with seeded("front"):
                self.task.logits(self.weights, images.to(self.dtype), mode=self.mode)
        finally:
            for handle in handles:
                handle.remove()
        return result


def head_behind_relu(observation: Observation, front: Front, rng: Generator) -> Float[Tensor, "neurons classes"] | None:
    """The head's weight J, where a ReLU and the head are all that is behind the layer; None where it is otherwise.

    Then an example's derivative at a neuron is `J e` where it wakes it and zero where not, for e = (p - y) / K. Told by
    trying it on random images, not by the modules' names.
    """
    task, layer, head = observation.task, front.layer, find_head(observation.task)
    weight = front.weights.parameters[layer.weight]
    if (
        head is None
        or task.criterion.single_logit
        or not head.plain
        or head.weight == layer.weight
        or front.weights.parameters[head.weight].shape[1] != len(weight)
    ):
        return None
    jacobian: Tensor = front.weights.parameters[head.weight].T
    for image in task.space.uniform(PROBES, rng, front.dtype)[:, None]:
        label = torch.zeros(1, dtype=torch.long)
        with seeded("front"), torch.no_grad():
            awake = front(image)[0] @ weight.T + front.weights.parameters[layer.bias] > 0
            error = task.logits(front.weights, image, mode=front.mode)[0].softmax(0)
        error[0] -= 1
        with seeded("front"):
            derivative = task.gradients(front.weights, image, label, mode=front.mode)[layer.bias]
        if float((derivative - awake * (jacobian @ error)).norm()) > EXACT * float(derivative.norm()):
            return None
    return jacobian
