"""Released models: what leaves a federation, after the operator's defenses of it, and how good that is."""

from dataclasses import replace

import torch

from fedleak.contracts.chain import Chain
from fedleak.contracts.released import Released
from fedleak.data.splits import load
from fedleak.errors import FedleakError
from fedleak.formatting import listed
from fedleak.learning.source import Source
from fedleak.learning.task import mean_loss
from fedleak.recording.recording import Recording


def releasing(chain: Chain) -> Chain:
    """The defenses that change a model before it leaves."""
    return Chain(tuple(defense for defense in chain if "release" in defense.acts_on))


def as_released(view: Released, source: Source, chain: Chain | None, seed: int) -> Released:
    """The view of a model as it left: its weights after the defenses of the row, which whoever gets it knows.

    Without a chain it is the model as it was recorded. An error of a defense says which defenses were asked.
    """
    if chain is None:
        return view
    seed_key = (seed, "release", view.round)
    with torch.random.fork_rng():
        try:
            weights = chain.release(view.task, view.weights, load(source).auxiliary, seed_key)
        except FedleakError as error:
            names = listed([defense.name for defense in releasing(chain)])
            raise type(error)(f"no model could leave under {names}: {error}") from error
    known = Chain(tuple(defense for defense in chain if defense.acts_on != {"answers"}))
    return replace(view, weights=weights, defense=known)


def tested(recording: Recording, chain: Chain) -> dict[str, float]:
    """Loss and accuracy on the test split of what left under a chain, as clients tell them of the model before."""
    left = as_released(recording.released(), recording.source, chain, recording.seed)
    loss, accuracy = mean_loss(left.task, left.weights, load(recording.source).test, "cpu")
    return {"loss": loss, "accuracy": accuracy}
