"""R-GAP: the input of one example, layer by layer from the last to the first."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from fedleak.attack import Attack, attacks
from fedleak.observation import Observation
from fedleak.progress import report
from fedleak.reconstruction import Reconstruction

from .parts.certificate import certifiable, certify
from .parts.evidence import defect, length_unknown
from .parts.last_input import last_input
from .parts.layer_chain import Link, chain_of
from .parts.layer_equations import Solved, solve_convolution

MISFIT = 0.05
"""Share of the last layer's gradient that one example must leave unexplained for there to be several."""


@attacks.register("r-gap")
@dataclass(frozen=True, kw_only=True)
class RGAP(Attack):
    """Solves linear equations for the input of each layer, from the last to the first; no iteration, one example.

    Behind a layer `z = W x` its output z is known (undo the activation) and so is `dL/dz` (the chain rule): `W x = z`
    and `dL/dW = dL/dz xᵀ` are linear in x. Where there are fewer equations than unknowns the guess is a least-squares
    one, and the note says in which layer and how many are missing: the paper's rank analysis. Needs a plain sequence of
    convolutions and linear layers with activations that can be undone (leaky ReLU, sigmoid, tanh), and the length of
    the gradient. Differences from the paper: any number of classes, biases, and equations that stay sparse.
    """

    paper: ClassVar = "https://arxiv.org/abs/2010.07733"
    bibtex: ClassVar = """@inproceedings{zhu2021rgap,
  title = {{R-GAP}: Recursive Gradient Attack on Privacy},
  author = {Zhu, Junyi and Blaschko, Matthew},
  booktitle = {International Conference on Learning Representations}, year = {2021},
  url = {https://arxiv.org/abs/2010.07733}
}"""

    def reconstruct(self, observation: Observation, rng: Generator) -> Reconstruction:  # noqa: ARG002
        chain = chain_of(observation.task)
        problem = chain if isinstance(chain, str) else defect(observation) or _unfit(observation)
        if problem or isinstance(chain, str):
            return Reconstruction.failed(problem or "")
        gradient = {name: value.double() for name, value in observation.gradient().items()}
        weights = {name: value.double() for name, value in observation.before.parameters.items()}
        last = last_input(
            gradient[f"{chain[-1].name}.weight"],
            weights[f"{chain[-1].name}.weight"],
            weights.get(f"{chain[-1].name}.bias"),
        )
        if isinstance(last, str):
            return Reconstruction.failed(last)
        if last.misfit > MISFIT:
            return Reconstruction.failed(
                f"the last layer's gradient is not that of one example: {last.misfit:.0%} of it is left unexplained"
            )
        found, back = last.features, weights[f"{chain[-1].name}.weight"].T @ last.residual
        solved: list[tuple[str, Solved]] = []
        for number, link in enumerate(reversed(chain[:-1]), start=1):
            found, back, step = _one_layer_back(link, weights, gradient, found, back)
            solved += [(link.name, step)] if step else []
            report(number, len(chain) - 1)
        inputs = found.reshape(1, *observation.task.shape)
        if not torch.isfinite(inputs).all():
            return Reconstruction.failed("the equations have no finite solution: an activation is at its bound")
        images, labels = inputs.clamp(0.0, 1.0).float(), torch.tensor([last.label])
        return Reconstruction(
            inputs=images,
            labels=labels,
            mismatch=max((step.residual for _, step in solved), default=last.misfit),
            certifiable=certifiable(observation),
            certificate=certify(observation, images, labels),
            note=_rank_analysis(solved),
        )


def _one_layer_back(
    link: Link,
    weights: dict[str, Tensor],
    gradient: dict[str, Tensor],
    output: Float[Tensor, " outputs"],
    back: Float[Tensor, " outputs"],
) -> tuple[Float[Tensor, " inputs"], Float[Tensor, " inputs"], Solved | None]:
    """From a link's output and the loss's gradient by it to its input and the gradient by that."""
    weight, bias = weights[f"{link.name}.weight"], weights.get(f"{link.name}.bias")
    before = link.activation.inverse(output)
    back = back * link.activation.slope(output)
    if isinstance(link.layer, nn.Linear):
        # dL/dW = dL/dz xᵀ alone gives x, exactly.
        inputs = gradient[f"{link.name}.weight"].T @ back / back.dot(back).clamp_min(1e-300)
        return inputs, weight.T @ back, None
    layer, blank = link.layer, torch.zeros(1, *link.shape, dtype=weight.dtype, requires_grad=True)
    outputs = nn.functional.conv2d(blank, weight, None, layer.stride, layer.padding, layer.dilation)
    linear = before.reshape(outputs.shape[1:]) - (0.0 if bias is None else bias[:, None, None])
    by_output = back.reshape(outputs.shape)
    solved = solve_convolution(layer, weight, link.shape, linear, by_output[0], gradient[f"{link.name}.weight"])
    (pulled,) = torch.autograd.grad(outputs, blank, by_output)
    return solved.inputs, pulled.reshape(-1), solved


def _unfit(observation: Observation) -> str | None:
    if observation.examples() != 1:
        return f"r-gap inverts one example, the update is of {observation.examples()}: try gradient matching"
    if observation.training.steps != 1 or length_unknown(observation):
        return "r-gap needs the gradient of one local step with its length: learning rate known, no defense"
    return None


def _rank_analysis(solved: list[tuple[str, Solved]]) -> str:
    """Where there are fewer equations than unknowns: every missing one is a guess, and errors grow from there."""
    short = [f"'{name}' lacks {one.deficit} of {one.unknowns}" for name, one in solved if one.deficit]
    if short:
        return f"too few equations: {', '.join(short)}; what is missing is filled in with the smallest numbers"
    return "each layer has equations for all its inputs"
