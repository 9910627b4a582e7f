"""Shadow bank: where an attack gets models that it trains itself, all of them at once."""

from fedleak.learning.stacked_federations import StackedFederations
from fedleak.learning.weights import NamedTensors


class ShadowBank:
    """Trains the federations that it is asked for, anew each time; others keep them and give the same.

    An attack says what it wants and touches no file; who lets it at a view decides where models are kept.
    """

    def trained(self, asked: StackedFederations) -> NamedTensors:
        """The parameters after the last round, stacked by federation; raises `NotApplicable`."""
        return asked.trained()
