"""The truth behind a message, from the vault; for scoring, pictures and verification, never for attacks."""

from fedleak.learning.batch import Batch
from fedleak.recording import read_recording
from fedleak.results.row import Cellular
from fedleak.results.schema import AGGREGATE
from fedleak.runs.folder import RunFolder
from fedleak.vault import truth_of


def truth_behind(folder: RunFolder, of: Cellular) -> Batch:
    """The examples behind the message of a place or row; for the aggregate those of its whole cohort."""
    return truth_of(folder.vault(of.defense, of.federation), of.round, cohort_of(folder, of))


def cohort_of(folder: RunFolder, of: Cellular) -> tuple[int, ...]:
    """The clients in a message."""
    if of.client != AGGREGATE:
        return (of.client,)
    return read_recording(folder.recording(of)).cohort
