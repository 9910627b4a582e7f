"""Exhibits: what a reader is shown beside a guess at each class: private examples of it, and blind guesses."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from fedleak.contracts.attack import attacks
from fedleak.contracts.observation import Observation
from fedleak.contracts.view import View
from fedleak.data.public import public_examples
from fedleak.errors import ConfigError, DataError
from fedleak.evaluation.adversary import baselines
from fedleak.evaluation.message import Message
from fedleak.evaluation.views import asked_about
from fedleak.learning.batch import Batch
from fedleak.learning.space import InputSpace
from fedleak.randomness import generator
from fedleak.settings.adversary import AdversarySettings


@dataclass(frozen=True, kw_only=True, eq=False)
class Exhibits:
    """An image of each class in every field, in the order in which they were asked about; a row of NaN: there is none.

    None where nobody knows: of private examples without the vault, of blind guesses without public data.
    """

    classes: tuple[int, ...]
    space: InputSpace
    private_mean: Float[Tensor, "asked *shape"] | None
    private_example: Float[Tensor, "asked *shape"] | None
    """The first of the class."""
    prior: Float[Tensor, "asked *shape"] | None
    drawn: Float[Tensor, "asked *shape"] | None
    """The first draw without access."""


def exhibits_of(view: View, truth: Batch | None, *seed_key: object) -> Exhibits:
    """What is shown beside a guess from such a view; the key is that of the baselines: seed, round and client."""
    told_apart = truth is not None and truth.labels.dim() == 1  # an example with a set of labels is of no one class
    own = [truth.inputs[truth.labels == label] for label in view.classes] if truth is not None and told_apart else None
    prior = attacks.build("prior", {}).run(view, generator("prior"))
    return Exhibits(
        classes=view.classes,
        space=view.task.space,
        private_mean=None if own is None else torch.stack([examples.mean(0) for examples in own]),
        private_example=None if own is None else torch.stack([_first(examples) for examples in own]),
        prior=prior.representatives,
        drawn=baselines(view, *seed_key)[0].representatives,
    )


def view_of(message: Message, adversary: AdversarySettings) -> View:
    """A message with what is public and the classes that are asked about; a model as whoever has its weights sees it.

    Without public data where the data set is not at hand. Raises `RecordingError` where the message is missing.
    """
    recording = message.recording
    seen: View = recording.observation() if Observation in recording.views else recording.released()
    try:
        public = public_examples(recording.source, adversary.auxiliary, adversary.lacks)
    except (ConfigError, DataError):
        public = None
    return replace(seen, auxiliary=public, classes=asked_about(recording.task, adversary))


def _first(examples: Float[Tensor, "examples *shape"]) -> Float[Tensor, "*shape"]:
    return examples[0] if len(examples) else torch.full(examples.shape[1:], torch.nan)
