"""Shadow bank: where an attack gets models that it trains itself, all of them at once."""

from fedleak.contracts.chain import Chain
from fedleak.learning.stacked_defense import StackedDefense
from fedleak.learning.stacked_federations import StackedFederations
from fedleak.learning.weights import NamedTensors


class ShadowBank:
    """Trains the federations that it is asked for, anew each time; others keep them and give the same.

    An attack says what it wants and touches no file; who lets it at a view decides where models are kept.
    """

    def trained(self, asked: StackedFederations) -> NamedTensors:
        """The parameters after the last round, stacked by federation; raises `NotApplicable`."""
        return asked.trained()


def stacked_defenses(chain: Chain) -> tuple[StackedDefense, ...]:
    """What models of an adversary's own are trained under, of what the observed one was: as far as that is possible."""
    found = (defense.stacked for defense in chain)
    return tuple(one for one in found if one is not None and one != StackedDefense())


def left_out_of_shadows(chain: Chain) -> str | None:
    """A sentence about what they are trained without; None where there is nothing of the kind."""
    names = [f"'{defense.name}'" for defense in chain if defense.stacked is None]
    if not names:
        return None
    return f"shadow models were trained without {' and '.join(names)}, which the observed model was trained under"
