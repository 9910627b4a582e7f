"""Detector: a defense of answers that looks for users who mean harm, and refuses them."""

from abc import abstractmethod
from typing import ClassVar, Literal

from jaxtyping import Float
from torch import Tensor

from fedleak.contracts.defense import Defense
from fedleak.contracts.traffic import Asked


class Detector(Defense):
    """A defense that admits by a score of its own, so that it can also be judged at any other threshold."""

    judges: ClassVar[Literal["users", "queries"]] = "users"
    """Whether a score is of the user, by all that was asked so far, or of a query by itself."""

    @abstractmethod
    def score(self, asked: Asked) -> Float[Tensor, " asked"]:
        """How suspicious the user is at each input, by that and by all that came before; more is more suspicious."""
