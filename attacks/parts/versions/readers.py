"""Readers: networks that tell from a change what an update was by. They learn from updates of which all is known."""

from dataclasses import dataclass
from itertools import count

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn

from fedleak.learning.batch import Batch, as_shares
from fedleak.randomness import seeded

from ..learning.autoencoder import Autoencoder
from ..learning.fit import fit
from ..learning.inverter import Pairs, Training, learn
from ..optimizers.first_order import adam

GROUP = 64
"""Updates of one step of training."""
RATE = 1e-3
HELD_OUT = 10
"""One update of so many is not learnt from: by those the best epoch is chosen."""
SLOPE = 0.01
"""Of a leaky rectifier below zero."""
SAFE = 1e-3
"""How near to 0 and 1 the rank of a coordinate is taken at most."""


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How long readers learn."""

    hidden: int
    updates: int
    """That are learnt from, each as often as it comes again."""


def read_distribution(
    known: Float[Tensor, "updates features"],
    shares: Float[Tensor, "updates classes"],
    seen: Float[Tensor, "seen features"],
    effort: Effort,
    rng: Generator,
) -> Float[Tensor, "seen classes"]:
    """The distribution of labels behind changes, by a perceptron that minimizes the divergence of known ones from it.

    Source: https://arxiv.org/abs/1904.01067
    """
    with seeded("distribution reader", int(torch.randint(2**62, (), generator=rng))):
        network = nn.Sequential(
            nn.Linear(known.shape[1], effort.hidden), nn.LeakyReLU(SLOPE), nn.Linear(effort.hidden, shares.shape[1])
        )
    groups = (group for _ in count() for group in torch.split(torch.randperm(len(known), generator=rng), GROUP))

    def divergence() -> Float[Tensor, ""]:
        chosen = next(groups)
        scores: Tensor = network(known[chosen])
        return -(shares[chosen] * scores.log_softmax(1)).sum(1).mean()

    for _ in fit(network, divergence, adam(RATE), -(-effort.updates // min(GROUP, len(known)))):
        pass
    with torch.no_grad():
        said: Tensor = network(seen).softmax(1)
    return said


def read_images(
    known: Float[Tensor, "updates features"],
    records: Int[Tensor, "updates examples"],
    seen: Float[Tensor, "1 features"],
    public: Batch,
    autoencoder: Autoencoder,
    label: int | None,
    effort: Effort,
    rng: Generator,
) -> Float[Tensor, "examples *shape"]:
    """The examples behind a change: a perceptron tells the code of each and its label, an autoencoder decodes them.

    It learns the codes that the public records behind known changes have, each as its rank in a normal distribution,
    and their labels; several are paired with the true ones as they fit best. `label` is that of all, where it is known.
    """
    with torch.no_grad():
        codes, _ = autoencoder.encoder(public.inputs, public.labels)
    width, classes = codes.shape[1], autoencoder.encoder.classes
    about = torch.cat([torch.special.ndtr(codes), as_shares(public.labels, codes.new_zeros(len(codes), classes))], 1)
    tests = torch.zeros(len(known), dtype=torch.bool)
    tests[::HELD_OUT] = len(known) > 1
    learnt = Pairs(known[~tests], about[records[~tests]])
    held_out = Pairs(known[tests], about[records[tests]]) if tests.any() else learnt
    training = Training(hidden=effort.hidden, epochs=-(-effort.updates // len(known)), learning_rate=RATE)
    told = learn(learnt, held_out, training, rng, (0, 1))(seen, records.shape[1])[0]
    latents = torch.special.ndtri(told[:, :width].clamp(SAFE, 1 - SAFE))
    labels = told[:, width:].argmax(1) if label is None else torch.full((len(told),), label)
    with torch.no_grad():
        images: Tensor = autoencoder.decoder(latents, labels)
    return images
