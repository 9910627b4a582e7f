"""Gated recurrent network on characters: predicts which comes next."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fedleak.contracts.model import Model, models
from fedleak.errors import ConfigError
from fedleak.learning.source import Shape, Source
from fedleak.learning.space import require_text, space_of_source
from fedleak.learning.text import places_of
from fedleak.settings.base import Count


@models.register("gru")
@dataclass(frozen=True, kw_only=True)
class GRU(Model):
    """An embedding of each character, one layer of gated recurrent units, a linear classifier on the last state."""

    paper: ClassVar = "https://arxiv.org/abs/1406.1078"
    cites: ClassVar = "cho2014learning"
    hidden: Count = 64

    def network(self, shape: Shape, classes: int) -> nn.Module:  # noqa: ARG002
        return CharacterGRU(classes, self.hidden)

    def on(self, source: Source) -> nn.Module:
        require_text(space_of_source(source), f"network '{self.name}'", ConfigError)
        return super().on(source)


class CharacterGRU(nn.Module):
    """From windows to logits, a step for each character, written out in layers that can be stacked and watched.

    It computes what `torch.nn.GRU` does on one-hot characters: the embedding has the columns of its input weights, and
    the biases of both are one but for that of the candidate state within the reset.
    """

    def __init__(self, characters: int, hidden: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, 3 * hidden)
        self.recurrence = nn.Linear(hidden, 3 * hidden)
        self.head = nn.Linear(hidden, characters)

    def forward(self, windows: Float[Tensor, "batch length"]) -> Float[Tensor, "batch characters"]:
        width = self.recurrence.in_features
        gates = self.embedding(places_of(windows, self.embedding.num_embeddings))
        state = gates.new_zeros(len(gates), width)
        sizes = (2 * width, width)
        # Split and not sliced, so that the backward pass writes each part once.
        for to_gates, to_candidate in zip(*(part.unbind(1) for part in gates.split(sizes, dim=2)), strict=True):
            kept, changed = self.recurrence(state).split(sizes, dim=1)
            reset, update = torch.sigmoid(to_gates + kept).chunk(2, dim=1)
            candidate = torch.tanh(torch.addcmul(to_candidate, reset, changed))
            state = torch.lerp(candidate, state, update)
        logits: Tensor = self.head(state)
        return logits
