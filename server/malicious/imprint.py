"""Robbing the Fed: a layer is planted that sorts images into bins, so that a sum gives back each that is alone."""

from dataclasses import dataclass, replace
from math import prod
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from torch import Generator

from fedleak.contracts.manipulation import Crafting, Manipulation, ServerTerms, manipulations
from fedleak.defenses.parts.dense import in_front
from fedleak.errors import ConfigError
from fedleak.gradients.imprint import ImprintLayer, ImprintModule, first_linear, planted_module, with_parameters
from fedleak.learning.device import memory_of_machine
from fedleak.learning.task import Task
from fedleak.learning.weights import Weights
from fedleak.settings.base import Rate
from fedleak.statistics.singletons import expected_alone

from .parts.entrance import entering, entrance
from .parts.imprint_rows import cohort_examples, planting

FEWEST_PUBLIC = 2
"""Public examples that a distribution can be told from."""
COPIES, OF_EACH_CLIENT = 6, 2
"""How often a planted layer is held at once in 4 bytes a number: weights, gradient, update, message; and what each
client of a round sends, in 8 bytes where it is masked."""


@manipulations.register("imprint")
@dataclass(frozen=True, kw_only=True)
class Imprint(Manipulation):
    """Imprint module (Robbing the Fed): planted before the network, its rows sort images by brightness along a random
    direction, bin by bin.

    Rows `g(<v, x> - q_k)` have thresholds q_k at quantiles of public images, and all rows have the same part in the
    loss. An image moves the rows below it, and what two neighbors differ by is what lies between their thresholds: if
    that is one image, `(dW_k - dW_{k+1}) / (db_k - db_{k+1})` is it, in a sum over however many clients.

    "linear" has ReLUs; "sparse" has rows that saturate at the next threshold, so that each image moves its own row
    alone, and moves it so far that it rests from then on: several local steps change little. "one-shot" is sparse with
    bins that one of all images of the cohort is expected in, about the middle: from any number, `bins / e` come out.
    "weights" makes such rows of a first linear layer with a ReLU, and the columns of the layer behind all equal,
    without any change of the network; rows beyond `bins` never wake.

    Beyond the paper: how little the rows weigh is chosen so that the rounding of weights in single precision does not
    blur images; quantiles are smoothed (Silverman), so that few public images do; the direction is random, as in the
    paper's theory, not the mean of all pixels.
    """

    paper: ClassVar = "https://arxiv.org/abs/2110.13057"
    cites: ClassVar = "fowl2022robbing"
    deed: ClassVar[str] = "plants a layer that sorts images into bins, so that a sum gives back each that is alone"
    takes: ClassVar[str] = (
        "public examples, and that clients run the network that it ships; by weights alone a network that begins with "
        "a linear layer and a ReLU"
    )
    uses_public: ClassVar = True
    form: Literal["linear", "sparse", "one-shot", "weights"] = "sparse"
    """How the layer is made."""
    bins: Annotated[int, Field(ge=2, le=2**16)] = 512
    """Rows; of N images `(1 - 1 / bins)^(N - 1)` are expected to be alone."""
    shift: Rate = 0.1
    """What the module adds to a pixel, about, at most; by weights alone to a score."""
    gain: Rate = 1e-6
    """How steep rows are; the smaller, the farther a row moves, and the less rounding matters. Over several local steps
    rows with ReLUs are made a thousand times as steep."""

    @property
    def ships(self) -> bool:  # type: ignore[override]
        return self.form != "weights"

    def require(self, terms: ServerTerms) -> None:
        if terms.public < FEWEST_PUBLIC:
            raise ConfigError(
                f"'imprint' places its bins by public examples, and the adversary has {terms.public}; set "
                f"adversary.auxiliary to {FEWEST_PUBLIC} or more, such as 256"
            )
        self._require_memory(terms.task, terms.federation.clients if self.ships else 0)
        if self.form == "one-shot":
            cohort_examples(terms.federation)
        if self.form == "weights":
            self._require_rows(terms.task)

    def _require_rows(self, task: Task) -> None:
        """Raises where a network has no such layer, or one of fewer rows."""
        layer = first_linear(task)
        if isinstance(layer, str):
            raise ConfigError(
                f"'imprint' by weights alone needs a network that begins with Linear, ReLU, Linear, and {layer}; take "
                'one that does, such as wide-mlp, or another form, such as "sparse"'
            )
        rows = len(task.network.get_parameter(layer.weight))
        if rows < self.bins:
            raise ConfigError(
                f"'imprint' by weights alone has a row for each bin, and the first layer of '{task.name}' has {rows} "
                f"for bins = {self.bins}; lower bins, or take a wider network"
            )

    def _require_memory(self, task: Task, clients: int = 1) -> None:
        times, there = COPIES + OF_EACH_CLIENT * clients, memory_of_machine()
        needed = times * 4 * self.bins * (prod(task.shape) + 2)
        if needed > there:
            raise ConfigError(
                f"'imprint' with bins = {self.bins} plants a layer that takes {needed / 2**30:.3g} GiB in training, "
                f"and this machine has {there / 2**30:.3g}; lower bins"
            )

    def transform_task(self, task: Task) -> Task:
        if not self.ships:
            return task
        self._require_memory(task)
        if not task.space.continuous:
            raise ConfigError(
                f"'imprint' adds to pixels or numbers, and examples of '{task.name}' are {task.space.words}; take "
                "images or a table"
            )
        module = ImprintModule(prod(task.shape), self.bins, None if self.form == "linear" else self.gain)
        return replace(task, network=in_front(task.network, entrance(task), "imprint", module))

    def craft(self, at: Crafting, rng: Generator) -> Weights:
        assert at.public is not None
        layer = self.layer(at.task)
        seen = entering(at.task, at.weights, layer.weight.rpartition(".")[0], at.public.inputs)
        expected = cohort_examples(at.federation, len(at.cohort)) if self.form == "one-shot" else None
        passes = at.federation.training().passes
        made = planting(layer, seen, self.bins, rng, gain=self.gain, shift=self.shift, passes=passes, expected=expected)
        planted = made.by_weights(at.weights, rng) if self.form == "weights" else made.in_module()
        return with_parameters(at.weights, planted)

    def expected_alone(self, examples: int, cohort: int | None = None, kept: float = 1.0) -> float:
        """Where bins are equally likely. One-shot bins each have the share of one example of the round at most."""
        bins = max(self.bins, cohort or examples) if self.form == "one-shot" else self.bins
        merging = self.form in ("linear", "weights")
        return expected_alone(examples, bins, read=kept * self.bins / bins, merging=merging)

    def bins_read(self, kept: float = 1.0) -> int | None:
        """Among honest rows with a ReLU images are read one after the other, also such as share a bin."""
        return self.bins if kept == 1.0 or self.form in ("sparse", "one-shot") else None

    def layer(self, task: Task) -> ImprintLayer:
        """Where it is planted."""
        found = first_linear(task) if self.form == "weights" else planted_module(task.network)
        assert isinstance(found, ImprintLayer)
        return found
