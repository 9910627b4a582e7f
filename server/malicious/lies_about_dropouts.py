"""A server that says of its victim that it is there, and that it is gone."""

from dataclasses import dataclass
from typing import ClassVar

from fedleak.contracts.manipulation import manipulations
from fedleak.defenses.secure_aggregation import masking_of

from ..layer import Layer
from .parts.lie import Lie
from .parts.overlapping_lists import OverlappingLists
from .parts.place import Place
from .parts.two_lists import TwoLists


@manipulations.register("lies-about-dropouts")
@dataclass(frozen=True, kw_only=True)
class LiesAboutDropouts(Lie):
    """Inconsistent lists of survivors: shares of both secrets of one client, its own mask's and its mask key's.

    The first are given where the client is there, the second where it is gone, and both together take its vector out
    of its masks, as the paper warns (section 6: why survivors sign one list). Under `secure-aggregation` the others
    are asked to sign a second list once the sum is open; under Flower's the two lists of one question overlap.
    """

    paper: ClassVar = "https://doi.org/10.1145/3133956.3133982"
    cites: ClassVar = "bonawitz2017practical"
    deed: ClassVar[str] = "says of its victim that it is there, and that it is gone"
    takes: ClassVar[str] = "clients that give shares of both secrets of one client"

    def below(self, inner: Layer, place: Place) -> Layer:
        return (OverlappingLists if masking_of(place.plan.defenses()) is None else TwoLists)(inner, self.victim, place)
