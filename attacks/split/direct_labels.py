"""Direct label inference: where the scores of parties are summed, the gradient that returns has the label's sign."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Generator
from torch.nn.functional import one_hot

from fedleak.contracts.attack import attacks
from fedleak.contracts.cut import Asks, Cut, CutAttack, Seat
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.errors import NotApplicable
from fedleak.learning.split import SummedScores

from ..parts.cut import answered


@attacks.register("direct-labels")
@dataclass(frozen=True, kw_only=True)
class DirectLabels(CutAttack):
    """Reads each row's label off the gradient of its scores, which is negative for the label alone.

    It applies where nothing but the sum of all parties' scores lies above the cut (`cut` after the last layer), so that
    every party gets that gradient: softmax minus one-hot label, and the same for sigmoids of each class. A top network
    of the active party's own mixes the entries, and then nothing follows from a sign.
    """

    paper: ClassVar = "https://www.usenix.org/conference/usenixsecurity22/presentation/fu-chong"
    cites: ClassVar = "fu2022label"
    seats: ClassVar[frozenset[Seat]] = frozenset({"passive", "relay"})
    asks: ClassVar[Asks] = "labels"

    def reconstruct(self, observation: Cut, rng: Generator) -> Reconstruction:  # noqa: ARG002
        if not isinstance(observation.network.top, SummedScores):
            raise NotApplicable(
                "a top network lies between the scores and what is sent, so that the gradients that return are not "
                "those of scores; take passive-labels, or cut after the last layer"
            )
        slopes = answered(observation)
        classes = observation.task.classes
        if slopes.shape[1] != classes:
            raise NotApplicable(f"it needs a score for each class, and {slopes.shape[1]} are sent for {classes}")
        return Reconstruction(columns=2 * one_hot(slopes.argmin(1), classes).float() - 1)
