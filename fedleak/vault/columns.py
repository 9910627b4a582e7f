"""Columns in the vault: what each party holds of every row, where clients hold columns of all examples."""

from collections.abc import Sequence
from pathlib import Path

import torch

from fedleak.errors import RecordingError
from fedleak.io.tensors import FACTS, beside, read_pair, write_pair
from fedleak.learning.batch import Batch
from fedleak.learning.input_space import InputSpace
from fedleak.learning.space import space_from
from fedleak.learning.weights import NamedTensors


def deposit_columns(vault: Path, party: int, columns: NamedTensors, space: InputSpace) -> None:
    """Stores once for all rounds what a party holds of every row: `inputs` and, of the active one, `labels`."""
    write_pair(columns_stem(vault, party), columns, {"party": party, "space": space.facts()}, private=vault)


def deposited_rows(vault: Path, places: Sequence[Sequence[int]]) -> Batch:
    """All rows in whole, each party's columns in their `places`; raises `RecordingError` where some are missing."""
    parts = [read_pair(beside(columns_stem(vault, party), FACTS)) for party in range(len(places))]
    try:
        labels, space = parts[0][0]["labels"], space_from(parts[0][1]["space"])
        inputs = torch.empty(len(labels), *space.shape)
        for own, (tensors, _) in zip(places, parts, strict=True):
            inputs[..., list(own)] = tensors["inputs"]
    except (KeyError, TypeError, RuntimeError, IndexError) as error:
        raise RecordingError(f"{vault}: expected the columns of every party ({error}); record it again") from error
    return Batch(inputs, labels, space)


def columns_stem(vault: Path, party: int) -> Path:
    """Where the columns of a party lie, without suffix."""
    return vault / f"columns-{party:04d}"
