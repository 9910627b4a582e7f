"""Stealthy server: one that knows which checks clients make of a model, and pays for passing them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Generator, Tensor

from fedleak.contracts.manipulation import Crafting, Isolation, Manipulation, ServerTerms, manipulations, planted
from fedleak.errors import ConfigError
from fedleak.learning.task import Task
from fedleak.learning.weights import Weights
from fedleak.settings.base import Amount, Share

from .parts.lie import Lie


@manipulations.register("stealthy")
@dataclass(frozen=True, kw_only=True)
class Stealthy(Manipulation):
    """Adaptive manipulation: does what another does, in a way that checks on the client see less of.

    It moves to the crafted weights over several rounds, so that no round changes them much; it adds noise to each row,
    so that no two are alike; and it leaves a share of the entries of each matrix's rows as an honest server would send
    them, so that units stay alive and scales are usual. When it begins says `begins` of the server's row.
    """

    paper: ClassVar = "https://arxiv.org/abs/2306.03013"
    cites: ClassVar = "garov2024hiding"
    deed: ClassVar = "hides what it does from checks of the model"
    takes: ClassVar = "what the manipulation within it takes, and knowledge of the checks"
    manipulation: Manipulation
    over: Annotated[int, Field(ge=1)] = 1
    """Rounds over which weights move from the honest to the crafted ones, in equal steps; 1: at once."""
    jitter: Amount = 0.0
    """Noise in each row of a crafted matrix, in times its root mean square."""
    alive: Share = 0.0
    """Share of the rows of each crafted matrix, drawn at random once, that are sent as an honest server would."""

    @property
    def ships(self) -> bool:  # type: ignore[override]  # a wrapper is what it wraps
        return self.manipulation.ships

    @property
    def sends_alike(self) -> bool:  # type: ignore[override]  # as above
        return self.manipulation.sends_alike

    @property
    def uses_public(self) -> bool:  # type: ignore[override]  # as above
        return self.manipulation.uses_public

    @property
    def trains_on(self) -> bool:  # type: ignore[override]  # as above
        return self.manipulation.trains_on

    def require(self, terms: ServerTerms) -> None:
        lie = next((one for one in planted([self.manipulation]) if isinstance(one, Lie)), None)
        if lie is not None:
            raise ConfigError(
                f"stealthy: expected a manipulation of weights within it, got '{lie.name}', which lies in messages and "
                "sends no weights that could be hidden; put that into the chain by itself"
            )
        left = terms.federation.rounds - terms.begins + 1
        if self.over > left:
            since = f" from round {terms.begins} on, in which the server begins" if terms.begins > 1 else ""
            raise ConfigError(
                f"stealthy: moving to the crafted weights over {self.over} rounds takes as many that are recorded, and "
                f"there are {left}{since}; lower over{' or begins' if since else ''}, or raise federation.rounds"
            )
        self.manipulation.require(terms)

    def transform_task(self, task: Task) -> Task:
        return self.manipulation.transform_task(task)

    def craft(self, at: Crafting, rng: Generator) -> Weights:
        draws = Generator().manual_seed(int(torch.randint(2**31, (1,), generator=rng)))
        honest, made = at.weights.state_dict(), self.manipulation.craft(at, rng).state_dict()
        share = min(1.0, (at.round - at.first + 1) / self.over)
        state = {name: value.lerp(made[name], share) if _moves(value, made[name]) else made[name]
                 for name, value in honest.items()}  # fmt: skip
        for name, value in honest.items():
            if _moves(value, made[name]) and value.dim() >= 2:
                state[name] = self._hidden(value, state[name], draws)
        return at.weights.like(state)

    def _hidden(self, honest: Tensor, crafted: Tensor, rng: Generator) -> Tensor:
        """A crafted matrix with noise, and with some rows of the honest one."""
        rows = crafted.flatten(1)
        noise = torch.randn(rows.shape, generator=rng, dtype=rows.dtype)
        size = rows.square().mean(1, keepdim=True).sqrt()
        kept = torch.rand(len(rows), generator=rng) < self.alive
        mixed = torch.where(kept[:, None], honest.flatten(1), rows + self.jitter * size * noise)
        return mixed.reshape(crafted.shape)

    def crafts_for(self, client: int, cohort: Collection[int]) -> bool:
        return self.manipulation.crafts_for(client, cohort)

    def aims_at(self) -> int | None:
        return self.manipulation.aims_at()

    def stands_beside(self, other: Manipulation) -> bool:
        return self.manipulation.stands_beside(other)

    def expected_alone(self, examples: int, cohort: int | None = None, kept: float = 1.0) -> float | None:
        return self.manipulation.expected_alone(examples, cohort, kept * (1.0 - self.alive))

    def bins_read(self, kept: float = 1.0) -> int | None:
        """Rows with noise, or half way to crafted ones, look each its own way, and an image is in a bin of each."""
        plain = self.over == 1 and self.jitter == 0
        return self.manipulation.bins_read(kept * (1.0 - self.alive)) if plain else None

    def isolation(self, task: Task, before: Mapping[int, Weights]) -> Isolation | None:
        return self.manipulation.isolation(task, before)

    def parts(self, task: Task, before: Mapping[int, Weights]) -> Mapping[int, int]:
        return self.manipulation.parts(task, before)


def _moves(honest: Tensor, crafted: Tensor) -> bool:
    """Whether weights are crafted: those that an honest server would send are left alone."""
    return honest.is_floating_point() and not honest.equal(crafted)
