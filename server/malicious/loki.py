"""LOKI: a kernel set for each client, so that the gradients of images of different clients stay apart in a sum."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Generator

from fedleak.contracts.manipulation import Crafting, Manipulation, ServerTerms, manipulations
from fedleak.defenses.parts.dense import in_front
from fedleak.errors import ConfigError
from fedleak.gradients.imprint import with_parameters
from fedleak.gradients.kernel_sets import KernelSetModule, KernelSets, kernel_sets
from fedleak.learning.device import memory_of_machine
from fedleak.learning.space import require_images
from fedleak.learning.task import Task
from fedleak.learning.weights import Weights
from fedleak.settings.base import Rate

from .parts.entrance import entering, entrance
from .parts.imprint_rows import Planting, bin_edges

FEWEST_PUBLIC = 2
"""Public examples that a distribution can be told from."""
COPIES = 6
"""How often a planted layer is held at once: weights, gradient, update, message, and what is masked in 8 bytes."""


@manipulations.register("loki")
@dataclass(frozen=True, kw_only=True)
class Loki(Manipulation):
    """Kernel sets (LOKI): a convolution planted before the network hands each client's images on in a block of its own,
    to rows that sort them into bins, and each client is sent the kernels of its block alone.

    All others' kernels are zero, so a sum has the weight gradients of each client's images apart, and says whose they
    are: as many bins do for a client's images as `imprint` needs for those of all. Rows saturate at the next threshold,
    and what kernels copy is `factor` times as large, rows' weights as much smaller (the convolutional scaling factor of
    the paper): an image moves its own row so far in one step that it rests from then on, while kernels hardly move.

    Beyond the paper: beside its block each client has a mark, a number that rows see too, so that the sum of
    derivatives is known of each client and its images by quotients, where the paper stretches them to the whole range;
    the direction along which images are sorted is random, and quantiles are smoothed (Silverman), as in `imprint`.
    """

    paper: ClassVar = "https://arxiv.org/abs/2303.12233"
    cites: ClassVar = "zhao2024loki"
    deed: ClassVar[str] = "plants a convolution that keeps clients apart in a sum, and sends each its own kernels"
    takes: ClassVar[str] = (
        "public examples, that clients run the network that it ships, and a sum that opens though models differ"
    )
    ships: ClassVar = True
    sends_alike: ClassVar = False
    uses_public: ClassVar = True
    sets: Annotated[int, Field(ge=1, le=1024)] = 8
    """Kernel sets, one for each client of a round; with fewer some clients share one."""
    bins: Annotated[int, Field(ge=2, le=2**16)] = 256
    """Rows; of n images in a block `(1 - 1 / bins)^(n - 1)` are expected to be alone. The paper has four a client's
    image."""
    factor: Rate = 100.0
    """How much larger what kernels copy is, and how much smaller rows' weights."""
    shift: Rate = 0.1
    """What the module adds to a pixel, about, at most."""
    gain: Rate = 1e-6
    """Where rows saturate."""

    def require(self, terms: ServerTerms) -> None:
        if terms.public < FEWEST_PUBLIC:
            raise ConfigError(
                f"'loki' places its bins by public examples, and the adversary has {terms.public}; set "
                f"adversary.auxiliary to {FEWEST_PUBLIC} or more, such as 256"
            )

    def transform_task(self, task: Task) -> Task:
        space = require_images(task.space, "'loki', which convolves,", ConfigError)
        needed, there = COPIES * 4 * self.bins * self.sets * (prod(task.shape) + 1), memory_of_machine()
        if needed > there:
            raise ConfigError(
                f"'loki' with {self.sets} sets and bins = {self.bins} plants a layer that takes {needed / 2**30:.3g} "
                f"GiB in training, and this machine has {there / 2**30:.3g}; lower either"
            )
        module = KernelSetModule(space.shape, self.sets, self.bins, self.gain)
        place = entrance(task)
        return replace(task, network=in_front(task.network, place, "loki", module))

    def craft(self, at: Crafting, rng: Generator) -> Weights:
        assert at.public is not None
        planted = kernel_sets(at.task.network)
        assert planted is not None
        seen = entering(at.task, at.weights, planted.inside.rstrip("."), at.public.inputs)
        direction = torch.randn(seen.shape[1], generator=rng, dtype=torch.float64)
        direction /= direction.norm()
        planting = Planting(
            layer=planted.layer,
            direction=direction,
            edges=bin_edges(seen @ direction, self.bins),
            gain=self.gain,
            shift=self.shift,
        )
        own = block_of(planted, at.client, at.cohort)
        return with_parameters(at.weights, planted.planted(planting.in_module(), own, self.factor))

    def parts(self, task: Task, before: Mapping[int, Weights]) -> Mapping[int, int]:
        planted = kernel_sets(task.network)
        return {} if planted is None else {client: planted.own(weights) for client, weights in before.items()}


def block_of(planted: KernelSets, client: int, cohort: tuple[int, ...]) -> int:
    """The block that a client's images go to."""
    return sorted(cohort).index(client) % planted.sets
