"""The tables that come with scikit-learn: what is in them, who holds it, and that a model learns from it."""

import numpy as np
import pytest
import torch
from sklearn import datasets

from fedleak.contracts.source import sources
from fedleak.data.loader import loaders
from fedleak.data.splits import load
from fedleak.learning.space import Table
from fedleak.tables.packaged import DIABETES
from fedleak.tasks import task_of

ROWS = {"diabetes": 442, "breast-cancer": 569}


@pytest.mark.parametrize("name", ROWS)
def test_a_table_is_what_its_source_says(name: str) -> None:
    source, task = sources[name], task_of(f"{name}-mlp")
    examples = loaders.build(name, {}).read(source)
    assert examples.inputs.shape == (ROWS[name], *source.shape)
    assert (task.shape, task.classes) == (source.shape, source.classes)
    assert examples.inputs.abs().max() <= 1
    assert examples.labels.unique().tolist() == [0, 1]
    assert sum(value.numel() for value in task.network.parameters()) <= 200_000


@pytest.mark.parametrize("name", ROWS)
def test_no_row_is_in_two_parts_and_public_rows_are_standardized(name: str) -> None:
    splits, space = load(f"{name}-mlp"), task_of(f"{name}-mlp").space
    assert isinstance(space, Table)
    rows = [{row.numpy().tobytes() for row in part.inputs} for part in (splits.clients, splits.test, splits.auxiliary)]
    assert not rows[0] & rows[1] | rows[0] & rows[2] | rows[1] & rows[2]
    assert sum(map(len, (splits.clients, splits.test, splits.auxiliary))) == ROWS[name]
    numbers = torch.cat(
        [splits.auxiliary.inputs[:, space.places(c.name)] for c in space.columns if not c.is_category], 1
    )
    assert numbers.mean(0).abs().max() < 0.03  # those beyond three standard deviations are put to the end
    assert (3 * numbers.std(0) - 1).abs().max() < 0.25


def test_diabetes_is_scikit_learns() -> None:
    examples, space = loaders.build("diabetes", {}).read(sources["diabetes"]), task_of("diabetes-mlp").space
    theirs = datasets.load_diabetes(scaled=False)
    assert isinstance(space, Table)
    assert tuple(column.name for column in space.columns) == DIABETES
    assert space.column("sex").values == ("1", "2")
    sexes = [space.said(row)["sex"] for row in examples.inputs]
    assert sexes == [f"{value:.0f}" for value in theirs.data[:, 1]]
    assert examples.labels.tolist() == (theirs.target > np.median(theirs.target)).astype(int).tolist()


def test_breast_cancer_is_scikit_learns() -> None:
    examples, space = (
        loaders.build("breast-cancer", {}).read(sources["breast-cancer"]),
        task_of("breast-cancer-mlp").space,
    )
    theirs = datasets.load_breast_cancer()
    assert isinstance(space, Table)
    assert [" ".join(reversed(column.name.split(" ", 1))) for column in space.columns[10:20]] == theirs.feature_names[
        10:20
    ].tolist()
    assert [column.name for column in space.columns[:10]] == theirs.feature_names[:10].tolist()
    assert examples.labels.tolist() == theirs.target.tolist()
    first = space.said(examples.inputs[0])
    assert float(first["mean radius"]) == pytest.approx(theirs.data[0, 0])
