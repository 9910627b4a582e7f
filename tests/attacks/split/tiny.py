"""Tiny cuts: networks of any kind below a cut and what their parties sent, without a federation."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fedleak.contracts.chain import Chain
from fedleak.contracts.cut import Cut, Exchange
from fedleak.evaluation.cuts import AskedBottom, OpenBottom
from fedleak.learning.batch import Batch
from fedleak.learning.facts import LocalTraining
from fedleak.learning.images import Images
from fedleak.learning.input_space import InputSpace
from fedleak.learning.split import Party, SplitNetwork, held_by
from fedleak.learning.task import Task
from fedleak.learning.weights import Weights
from fedleak.randomness import generator, seeded

SHAPE = (1, 2, 5)


def examples(count: int, seed: int, shape: Sequence[int] = SHAPE) -> Tensor:
    """Smooth gray images, or rows of numbers, about a mean of their own."""
    rng = generator("tiny", seed)
    mean = torch.linspace(0.3, 0.7, torch.Size(shape).numel()).reshape(*shape)
    return (mean + 0.1 * torch.randn(count, *shape, generator=rng)).clamp(0, 1)


def linear(values: int, outputs: int, seed: int = 0) -> nn.Module:
    """A linear bottom of orthonormal columns, or rows: invertible where it has as many outputs as inputs, or more."""
    with seeded("linear", seed):
        layer = nn.Linear(values, outputs)
        nn.init.orthogonal_(layer.weight)
    return nn.Sequential(nn.Flatten(), layer)


def cut_of_bottoms(
    bottoms: Sequence[nn.Module],
    places: Sequence[Sequence[int]],
    truth: Tensor,
    *,
    access: str = "weights",
    public: Tensor | None = None,
    chain: Chain | None = None,
    mode: str = "train",
    space: InputSpace | None = None,
    party: int | None = 0,
) -> Cut:
    """What the active party, or the relay, saw of one step on all rows."""
    given = space or Images(*truth.shape[1:])
    network = SplitNetwork([torch.tensor(one) for one in places], list(bottoms), nn.Flatten(), [()] * len(places))
    weights, rows = Weights.of(network), torch.arange(len(truth))
    senders = range(1, len(places))
    said = {
        one: Party(network, one).embedding(held_by(weights, one), network.part(truth, one), mode) for one in senders
    }
    defense = chain or Chain()
    sent = {one: defense.at_cut.embeddings(value, rows, ("victim", one)) for one, value in said.items()}
    kind = OpenBottom if access == "weights" else AskedBottom
    reach = {one: kind(network=network, party=one, weights=held_by(weights, one)) for one in senders}
    labels = torch.zeros(len(truth), dtype=torch.long)
    return Cut(
        task=Task("tiny", network, tuple(truth.shape[1:]), 2, given=given),
        cohort=tuple(range(len(places))),
        round=1,
        defense=defense,
        auxiliary=None if public is None else Batch(public, torch.zeros(len(public), dtype=torch.long), given),
        rows=Batch(truth * torch.nan, labels, given),
        seat="relay" if party is None else "active",
        party=party,
        asks="columns",
        asked=rows,
        exchanges=(Exchange(step=1, rows=rows, embeddings=sent, slopes={}),),
        bottoms=reach if access else {},
        training=LocalTraining(batch_size=len(truth), mode=mode),
    )
