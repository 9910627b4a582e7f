"""Rows behind a joint network: columns stand where they stood, and what does not fit is one sentence."""

import pytest
import torch

from fedleak.contracts.chain import Chain
from fedleak.contracts.splitting import places_of
from fedleak.data.splits import load
from fedleak.errors import RecordingError
from fedleak.evaluation.trained_rows import trained_rows, whole_rows
from fedleak.learning.batch import Batch
from fedleak.learning.table import Column, Table
from fedleak.learning.training import LocalTraining
from fedleak.learning.weights import Weights
from fedleak.recording.recording import Recording
from fedleak.settings.columns import Split
from fedleak.settings.task import TaskSettings
from fedleak.vault.shares import deposit_use

COLUMNS = (("bmi", "s6", "sex"), ("age", "blood-pressure"), ("s1", "s2", "s3", "s4", "s5"))


def recording(split: Split | None) -> Recording:
    nothing = Weights({}, {})
    settings = TaskSettings.model_validate("diabetes-mlp")
    return Recording(
        settings=settings,
        before=nothing,
        payload={},
        kind="model",
        cohort=(0, 1, 2),
        round=3,
        num_examples=None,
        training=LocalTraining(),
        chain=Chain(),
        defense="none",
        seed=0,
        metrics={},
        split=split,
    )


def parts(split: Split, rows: Batch) -> list[Batch]:
    places = places_of(rows.space, split)
    labels = [rows.labels, torch.full_like(rows.labels, -1), torch.full_like(rows.labels, -1)]
    spaces = [Table(columns=tuple(Column(str(place)) for place in own.tolist())) for own in places]
    return [Batch(rows.inputs[:, own], *rest) for own, *rest in zip(places, labels, spaces, strict=True)]


@pytest.mark.parametrize("columns", ["strips", COLUMNS])
def test_columns_stand_where_they_stood(tmp_path, columns):
    rows, split = load("diabetes-mlp").clients, Split(parties=3, columns=columns)
    shared = parts(split, rows)
    whole = whole_rows(recording(split), shared)
    assert torch.equal(whole.inputs, rows.inputs)
    assert torch.equal(whole.labels, rows.labels)
    assert whole.space == rows.space
    for party, own in enumerate(shared):
        for round, used in ((1, [4, 2, 9]), (2, [2, 7]), (3, [1])):
            if (party, round) != (2, 2):  # a party may have left before a step that others took
                deposit_use(tmp_path, own, party, round, torch.tensor(used))
    found = trained_rows(tmp_path, recording(split), 2)
    assert torch.equal(found.inputs, rows.inputs[[2, 4, 7, 9]])
    assert torch.equal(trained_rows(tmp_path, recording(split), 3, 1).inputs, rows.inputs[[1, 2, 7]])


def test_of_clients_with_rows_they_stand_one_after_the_other(tmp_path):
    rows = load("diabetes-mlp").clients
    for client, places in enumerate(([0, 1], [5])):
        deposit_use(tmp_path, rows, client, 1, torch.tensor(places))
    assert torch.equal(trained_rows(tmp_path, recording(None), 1).inputs, rows.inputs[[0, 1, 5]])


def test_parts_of_another_cut_are_refused(tmp_path):
    rows, split = load("diabetes-mlp").clients, Split(parties=3)
    with pytest.raises(RecordingError, match=r"expected \(266, \d\) values of party \d in the vault, got"):
        whole_rows(recording(Split(parties=3, columns=COLUMNS)), parts(split, rows))
    deposit_use(tmp_path, parts(split, rows)[0], 0, 1, None)
    with pytest.raises(RecordingError, match="client-0001"):
        trained_rows(tmp_path, recording(split), 1)
