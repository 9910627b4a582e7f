"""RAPPOR's permanent randomized response: categories of a table are said at random, once for each example."""

import math
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Generator, Tensor

from fedleak.accounting.mechanism import Response, Situation
from fedleak.contracts.defense import Defense, defenses
from fedleak.errors import ConfigError
from fedleak.formatting import listed
from fedleak.learning.batch import Batch
from fedleak.learning.space import require_table
from fedleak.learning.task import Task

Encoding = Literal["bits", "category"]


@defenses.register("rappor")
@dataclass(frozen=True, kw_only=True)
class Rappor(Defense):
    """Trains on a randomized response in place of the categories that a row has in some columns.

    "bits" is the paper's permanent response without its Bloom filter: a value for each category, of which each is
    turned over with probability `1 / (1 + exp(epsilon / 2))`, so that a row may have several categories or none.
    "category" keeps the row's own with probability `exp(epsilon) / (exp(epsilon) + k - 1)` of k, and else takes any
    other (Kairouz, Oh and Viswanath 2014, https://arxiv.org/abs/1407.1338). Each example is answered for once, before
    any training, and all rounds train on the same answer: so epsilon is that of the run, however long, and holds
    against the server too. It is about these columns of an example alone; what else the row says, such as the label,
    is trained on as it is, and may tell of them. The instantaneous response of the paper, which is against being
    recognized by many reports, has no place here.
    """

    paper: ClassVar = "https://arxiv.org/abs/1407.6981"
    cites: ClassVar = "erlingsson2014rappor"
    columns: tuple[str, ...]
    """Categories of a table, each once."""
    epsilon: Annotated[float, Field(gt=0)]
    """Of each column, under replace-one: the value of one example is any other; infinity changes nothing."""
    encoding: Encoding = "bits"

    def __post_init__(self) -> None:
        if not self.columns or len(set(self.columns)) < len(self.columns):
            raise ConfigError(f"columns: expected one or more, each once, got {list(self.columns)}")

    @property
    def caveat(self) -> str:
        return "the rest of the row is trained on as it is, and an imputer needs no more"

    def require(self, task: Task) -> None:
        table = require_table(task.space, f"'{self.name}'", ConfigError)
        for name in self.columns:
            if not table.column(name).is_category:
                raise ConfigError(
                    f"'{self.name}' answers for a category, and column '{name}' is a number; name a category, or take "
                    "'sanitisation' with bins"
                )

    def prepare(self, task: Task, share: Batch, rng: Generator) -> Batch:
        table = require_table(task.space, f"'{self.name}'", ConfigError)
        inputs = share.inputs.clone()
        for name in self.columns:
            place = table.places(name)
            inputs[:, place] = self._answered(inputs[:, place], rng)
        return replace(share, inputs=inputs)

    def mechanism(self, situation: Situation) -> Response | None:
        if math.isinf(self.epsilon):
            return None
        return Response(epsilon=self.epsilon * len(self.columns), protects=f"{listed(self.columns)} of an example")

    def kept(self, categories: int) -> float:
        """The chance that a category of so many (of "bits": whether a row has it) is left as it is."""
        others = 1 if self.encoding == "bits" else categories - 1
        spent = self.epsilon / 2 if self.encoding == "bits" else self.epsilon
        return 1 / (1 + others * math.exp(-spent))

    def _answered(self, values: Float[Tensor, "rows width"], rng: Generator) -> Float[Tensor, "rows width"]:
        width = values.shape[1]
        if self.encoding == "category" and width == 1:
            return values  # a single category tells nothing, and there is no other to say
        kept = self.kept(width)
        if self.encoding == "bits":
            return torch.where(torch.rand(values.shape, generator=rng) < kept, values, -values)
        stays = torch.rand(len(values), generator=rng) < kept
        further = torch.randint(1, width, (len(values),), generator=rng)
        said = (values.argmax(1) + torch.where(stays, 0, further)) % width
        return 2 * torch.nn.functional.one_hot(said, width).to(values) - 1
