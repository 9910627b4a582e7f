"""The records that an adversary is asked about."""

from fedleak.contracts.observation import Observation
from fedleak.learning.batch import Batch

from .evidence import defect


def candidates_of(observation: Observation) -> Batch | str:
    """The candidates, or why nothing can be said of any."""
    if observation.candidates is None or not len(observation.candidates):
        return "nobody was asked about: the attack needs candidates, which come with a message whose truth is known"
    return defect(observation) or observation.candidates
