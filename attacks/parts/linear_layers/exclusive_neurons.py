"""Exclusive neurons: examples that a neuron of a linear layer fires for alone, one after the other taken out.

A neuron's gradient is `Σ_j d_ij x_j` for the weights and `Σ_j d_ij` for the bias, over the examples j that it fires
for. Of one example the quotient is the example; and an example says by itself, with its label, what it moved the bias
by. Where that is what was observed the neuron is exclusive, the example known, and its part in every other neuron's
gradient too: once it is taken out, other neurons are left to one example. Nothing but the observed gradient decides.
Source: https://arxiv.org/abs/2112.02918
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor, nn

from fedleak.progress import report
from fedleak.randomness import seeded

from .first_layer import Front
from .neurons import AGREEMENT, FAR, LOUD, MARGIN, agreeing, least_squares

CHUNK = 128
"""Examples that go through the network at once."""
SHARP = 1e-3
"""Relative error of a bias gradient up to which an example explains it; noise and rounding are added."""
NEARLY = 3e-3
"""What a neuron sums up to, in units of what is usual, below which it is not sure whether it fired."""
ROUNDED = 1e-6
"""What computing in single precision costs a bias gradient, relative to the largest."""


class Slopes:
    """What examples move the outputs of a layer by, for each label that they may have."""

    def __init__(self, front: Front) -> None:
        self.front, self.task = front, front.task

    def of(self, inputs: Float64[Tensor, "batch pixels"]) -> Float64[Tensor, "batch classes neurons"]:
        """The derivative of each example's own loss, under each label, by the layer's outputs."""
        found = [self._chunk(part) for part in torch.split(inputs, CHUNK)]
        return torch.cat(found)

    def settled(self, inputs: Float64[Tensor, "batch pixels"]) -> Bool[Tensor, " neurons"]:
        """The neurons of which it is sure whether each example woke them, however little it is off."""
        layer, weights = self.front.layer, self.front.weights.parameters
        features = self.front(inputs.reshape(-1, *self.task.shape)).detach()
        sums = features @ weights[layer.weight].T + weights[layer.bias]
        clear: Bool[Tensor, " neurons"] = (sums.abs() > NEARLY * sums.square().mean().sqrt()).all(0)
        return clear

    def _chunk(self, inputs: Tensor) -> Tensor:
        seen: list[Tensor] = []

        def note(_: nn.Module, __: object, output: Tensor) -> Tensor:
            seen.append(output.detach().requires_grad_())
            return seen[0]

        handle = self.front.module.register_forward_hook(note)
        try:
            with seeded("exclusive neurons"):
                scores = self.task.logits(
                    self.front.weights, inputs.reshape(-1, *self.task.shape), mode=self.front.mode
                )
        finally:
            handle.remove()
        slopes = []
        for label in range(self.task.classes):
            labels = torch.full((len(inputs),), label)
            loss = self.task.criterion.each(scores, labels).sum()
            slopes.append(torch.autograd.grad(loss, seen, retain_graph=True)[0])
        return torch.stack(slopes, 1)


@dataclass(frozen=True, kw_only=True)
class Exclusive:
    """The examples that were found, in the order in which they were, and what they leave of the gradient."""

    inputs: Float64[Tensor, "found pixels"]
    labels: Int64[Tensor, " found"]
    neurons: Int64[Tensor, " found"]
    """How many neurons were exclusive to each when it was found."""
    blur: Float64[Tensor, " found"]
    """Standard deviation of the error of its values, by the noise of these."""
    factors: Float64[Tensor, " found"]
    """What each example's part was multiplied with: 1 but where clients clip."""
    weight: Float64[Tensor, "neurons pixels"]
    bias: Float64[Tensor, " neurons"]
    """What is left of the sums over examples."""

    def without(self, slopes: Slopes, shown: "Shown") -> "Exclusive":
        """Those, and more, with what these moved the layer by taken out of the rest."""
        own = slopes.of(shown.inputs)[torch.arange(len(shown.labels)), shown.labels]
        moved = own * shown.factors[:, None]
        return Exclusive(
            inputs=torch.cat([self.inputs, shown.inputs]),
            labels=torch.cat([self.labels, shown.labels]),
            neurons=torch.cat([self.neurons, shown.neurons]),
            blur=torch.cat([self.blur, shown.blur]),
            factors=torch.cat([self.factors, shown.factors]),
            weight=self.weight - moved.T @ shown.inputs,
            bias=self.bias - moved.sum(0),
        )


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Examples that neurons show."""

    inputs: Float64[Tensor, "shown pixels"]
    labels: Int64[Tensor, " shown"]
    neurons: Int64[Tensor, " shown"]
    """How many neurons show each."""
    blur: Float64[Tensor, " shown"]
    """Standard deviation of the error of its values."""
    factors: Float64[Tensor, " shown"]


@dataclass(frozen=True, kw_only=True)
class Search:
    """Of how many examples a gradient is, and how exact."""

    slopes: Slopes
    examples: int
    noise: float
    """Standard deviation of an entry of the sum of the weight gradients."""
    bias_noise: float
    bounds: tuple[float, float]
    loudest: float
    """The largest bias gradient."""
    scaled: bool = False
    """Whether examples may have factors below 1: two neurons tell one, which then is a client's other examples' too."""

    def run(self, weight: Float64[Tensor, "neurons pixels"], bias: Float64[Tensor, " neurons"]) -> Exclusive:
        """All examples that exclusive neurons show, one taken out after the other."""
        none = torch.zeros(0, dtype=torch.long)
        found = Exclusive(
            inputs=weight[:0], labels=none, neurons=none, blur=bias[:0], factors=bias[:0], weight=weight, bias=bias
        )
        while len(found.inputs) < self.examples:
            report(len(found.inputs), self.examples)
            shown = self._shown(found)
            if shown is None:
                break
            found = found.without(self.slopes, shown)
        return found

    def _shown(self, found: Exclusive) -> Shown | None:
        """The examples that two neurons or more show, else the one that explains its one neuron best."""
        low, high = self.bounds
        loud = found.bias.abs().argsort(descending=True, stable=True)
        loud = loud[found.bias[loud].abs() > max(LOUD * self.loudest, 10 * self.noise)]
        inputs, spread = found.weight[loud] / found.bias[loud, None], self.noise / found.bias[loud].abs()
        margin = (MARGIN * (high - low) + FAR * spread)[:, None]
        possible = ((inputs > low - margin) & (inputs < high + margin)).all(1)
        possible &= ~self._known(inputs, found)
        loud, inputs, spread = loud[possible], inputs[possible], spread[possible]
        if not len(loud):
            return None
        told = self._explained(self.slopes.of(inputs.clamp(low, high)), found, loud)
        if self.scaled:
            told = self._scaled(told, found, loud, agreeing(inputs, spread, AGREEMENT * (high - low)))
        right = told.errors < 1
        loud, inputs, spread, told = loud[right], inputs[right], spread[right], told[right]
        if not len(loud):
            return None
        groups = agreeing(inputs, spread, AGREEMENT * (high - low))
        several = [group for group in groups if len(group) > 1 and len(set(told.labels[group].tolist())) == 1]
        several = sorted(several, key=len, reverse=True)[: self.examples - len(found.inputs)]
        groups = several or [[int(told.errors.argmin())]]
        rows = [least_squares(found.weight[loud[group]], found.bias[loud[group]]).inputs for group in groups]
        return Shown(
            inputs=torch.cat(rows).clamp(low, high),
            labels=torch.stack([told.labels[group[0]] for group in groups]),
            neurons=torch.tensor([len(group) for group in groups]),
            blur=torch.stack([self.noise / found.bias[loud[group]].norm() for group in groups]),
            factors=torch.stack([told.factors[group[0]] for group in groups]),
        )

    def _known(self, inputs: Float64[Tensor, "shown pixels"], found: Exclusive) -> Bool[Tensor, " shown"]:
        """Those that were found already: what rounding leaves of them shows them again."""
        if not len(found.inputs):
            return torch.zeros(len(inputs), dtype=torch.bool)
        near = AGREEMENT * (self.bounds[1] - self.bounds[0]) * inputs.shape[1] ** 0.5
        known: Tensor = torch.cdist(inputs, found.inputs).amin(1) < near
        return known

    def _explained(
        self, slopes: Float64[Tensor, "shown classes neurons"], found: Exclusive, neurons: Int64[Tensor, " shown"]
    ) -> "Told":
        """The label, and of the factors that are known the one, under which each explains its own neuron best."""
        bias, known = found.bias[neurons], torch.unique(torch.cat([found.factors.new_ones(1), found.factors]))
        own = slopes[torch.arange(len(neurons)), :, neurons]
        off = (own[:, :, None] * known - bias[:, None, None]).abs().flatten(1)
        errors, places = (off / self._tolerance(bias)[:, None]).min(1)
        return Told(slopes=slopes, labels=places // len(known), factors=known[places % len(known)], errors=errors)

    def _scaled(
        self, told: "Told", found: Exclusive, neurons: Int64[Tensor, " shown"], groups: list[list[int]]
    ) -> "Told":
        """The same, with a factor of their own where several neurons show one example and no known one explains it."""
        labels, factors, errors = told.labels.clone(), told.factors.clone(), told.errors.clone()
        for group in groups:
            if len(group) == 1 or bool((errors[group] < 1).all()):
                continue
            bias, own = found.bias[neurons[group]], told.slopes[group[0]][:, neurons[group]]
            fitted = (own @ bias) / own.square().sum(1).clamp_min(1e-300)
            off = ((own * fitted[:, None] - bias).abs() / self._tolerance(bias)).amax(1)
            off = torch.where((fitted > 0) & (fitted < 1 + SHARP), off, torch.inf)
            label = int(off.argmin())
            labels[group], factors[group], errors[group] = label, fitted[label], off[label]
        return replace(told, labels=labels, factors=factors, errors=errors)

    def _tolerance(self, bias: Float64[Tensor, " shown"]) -> Float64[Tensor, " shown"]:
        return SHARP * bias.abs() + FAR * self.bias_noise + ROUNDED * self.loudest


@dataclass(frozen=True, kw_only=True)
class Told:
    """How the examples that neurons show would explain them."""

    slopes: Float64[Tensor, "shown classes neurons"]
    labels: Int64[Tensor, " shown"]
    factors: Float64[Tensor, " shown"]
    errors: Float64[Tensor, " shown"]
    """How far each is off, in tolerances."""

    def __getitem__(self, chosen: Tensor) -> "Told":
        return Told(
            slopes=self.slopes[chosen],
            labels=self.labels[chosen],
            factors=self.factors[chosen],
            errors=self.errors[chosen],
        )
