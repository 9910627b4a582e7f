"""Trained rows: what is behind a model, of clients that hold rows or of parties whose columns are put side by side."""

from collections.abc import Sequence
from pathlib import Path

import torch

from fedleak.contracts.splitting import places_of
from fedleak.errors import RecordingError
from fedleak.learning.batch import Batch, joined
from fedleak.learning.split import ACTIVE
from fedleak.recording.recording import Recording
from fedleak.vault.shares import examples_at, trained_until, used_until


def trained_rows(vault: Path, recording: Recording, until: int, after: int | None = None) -> Batch:
    """All that any of its clients trained on in rounds up to one, `after` another: client after client.

    Of parties that hold columns the rows that the active one, which has the labels, trained on. Raises `RecordingError`
    where that was not kept.
    """
    if recording.split is None:
        return joined(trained_until(vault, until, recording.cohort, after=after).values())
    places = used_until(vault, until, (ACTIVE,), after=after)[ACTIVE]
    return whole_rows(recording, [examples_at(vault, party, places) for party in recording.cohort])


def whole_rows(recording: Recording, parts: Sequence[Batch]) -> Batch:
    """Rows of what each party has of them in its columns, with the labels of the active one.

    Raises `RecordingError` where one has something else than the network was cut for.
    """
    assert recording.split is not None
    space = recording.task.space
    inputs = torch.empty(len(parts[ACTIVE]), *space.shape)
    for party, own in enumerate(places_of(space, recording.split)):
        wanted, found = inputs[..., own].shape, parts[party].inputs.shape if party < len(parts) else ()
        if found != wanted:
            raise RecordingError(
                f"{recording.stem}: expected {tuple(wanted)} values of party {party} in the vault, got {tuple(found)}; "
                "run the federation again"
            )
        inputs[..., own] = parts[party].inputs
    return Batch(inputs, parts[ACTIVE].labels, space)
