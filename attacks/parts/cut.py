"""Rows of a cut: what was sent of each row that is asked about, and what came back for it."""

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fedleak.contracts.cut import Cut
from fedleak.errors import NotApplicable


def sent(cut: Cut, party: int) -> Float[Tensor, "asked *embedding"]:
    """What a party sent of each row that is asked about, the first time in the round."""
    return _of_rows(cut, cut.asked, {place: one.embeddings for place, one in enumerate(cut.exchanges)}, party)


def answered(cut: Cut) -> Float[Tensor, "asked *embedding"]:
    """The gradient that came back for each row that is asked about, the first time in the round.

    At the relay that for the first party's embedding.
    """
    party = cut.party if cut.party is not None else min(slopes_at(cut), default=1)
    return _of_rows(cut, cut.asked, {place: one.slopes for place, one in enumerate(cut.exchanges)}, party)


def slopes_at(cut: Cut) -> tuple[int, ...]:
    """The parties whose gradients its holder saw."""
    return tuple(sorted({party for one in cut.exchanges for party in one.slopes}))


def _of_rows(
    cut: Cut, asked: Int[Tensor, " asked"], tensors: Mapping[int, Mapping[int, Tensor]], party: int
) -> Float[Tensor, "asked *embedding"]:
    found: dict[int, Tensor] = {}
    for place, one in enumerate(cut.exchanges):
        if party not in tensors[place]:
            continue
        for row, value in zip(one.rows.tolist(), tensors[place][party], strict=True):
            found.setdefault(row, value)
    missing = [row for row in asked.tolist() if row not in found]
    if missing or not len(asked):
        raise NotApplicable(f"nothing was seen of {len(missing) or 'any'} of the rows that are asked about")
    return torch.stack([found[row] for row in asked.tolist()])
