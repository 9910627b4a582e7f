"""Served: a model behind a prediction API. Whoever uses it sees answers alone, and only so many."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from fedleak.contracts.shadows import ShadowBank
from fedleak.contracts.view import View
from fedleak.errors import ConfigError
from fedleak.learning.facts import LocalTraining
from fedleak.learning.weights import Weights


class Service(ABC):
    """A prediction API as its user sees it: inputs in, probabilities out, until the budget is used up."""

    @property
    @abstractmethod
    def remaining(self) -> int:
        """How many more inputs it takes, answered or refused; beyond a limit that is known to all, none."""

    @abstractmethod
    def ask(self, inputs: Float[Tensor, "asked *shape"]) -> Float[Tensor, "asked classes"]:
        """The answers, a row for each input: probabilities of the classes, or what defenses leave of them.

        A row of NaN was refused: by a defense, or because no question was left. What is hidden of a row is 0; an answer
        of the label alone is 1 for its class. Each input counts, also one that was asked before. Inputs are clamped to
        the range of the task's examples.
        """

    def explain(self, inputs: Float[Tensor, "asked *shape"]) -> Float[Tensor, "asked columns classes"]:
        """How much each column of a row moves each probability from that of the mean public row (Shapley values).

        Each row counts as one question, and one more for each column; a row of NaN was refused, as no such number was
        left. Raises `ConfigError` where no explanations are offered.
        """
        raise ConfigError(f"this service offers no explanations of {len(inputs)} inputs; it answers alone")


@dataclass(frozen=True, kw_only=True)
class Served(View):
    """A service that answers with the global model after a round."""

    reader: ClassVar[str] = "a user of the prediction API, who sees answers and no weights"
    service: Service
    training: LocalTraining = field(default_factory=LocalTraining)
    """How each client trained in a round, as far as the adversary knows."""
    num_examples: int | None = None
    """Examples that all clients trained on together, as whoever offers a model tells; None where it is unknown."""
    shadows: ShadowBank = field(default_factory=ShadowBank, repr=False)
    """Where it gets models that it trains itself."""
    earlier: tuple["Served", ...] = ()
    """Earlier releases of the same federation, each behind a service of its own, oldest first. What any of them is
    asked counts against one budget: `remaining` is the same for all. Only for attacks that say so in
    `Attack.requires`."""
    new_examples: int | None = None
    """Examples trained on since the latest of `earlier`, as whoever offers a model tells; None where nobody asks."""
    explanations: Float[Tensor, "rows columns classes"] | None = None
    """What `Service.explain` says of the whole `rows`, as reports to the people they are about that the adversary got
    hold of; it never saw what was explained. None where it got none. Only for attacks that require them."""
    predictions: Float[Tensor, "rows classes"] | None = None
    """What the service answered about the whole `rows`, in double precision: whoever holds some of their columns, as a
    party of vertical learning does, names a row, and the others give theirs unseen. Each was a question; NaN where it
    was refused or none was left. Only for attacks that require them."""
    weights: Weights | None = None
    """Those of the model behind the service, where it was released too. Only for attacks that require them."""
