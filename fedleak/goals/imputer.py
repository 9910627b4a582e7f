"""Imputer: what public rows say of hidden columns, from all that is known of a row and its label, without any model."""

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from fedleak.learning.batch import Batch
from fedleak.learning.space import require_table
from fedleak.learning.table import Column, Table

ITERATIONS = 1000
"""Steps of the regression at most: it stops at its optimum, long before."""


def frequencies(public: Batch | None, table: Table, hidden: tuple[str, ...]) -> Float[Tensor, " hidden"]:
    """How frequent each hidden value is in public rows, 0 as -1 and 1 as 1, or the mean of a number.

    Without public rows all values of a column are as frequent, and a number is in the middle.
    """
    if public is not None:
        return public.inputs[:, table.mask(hidden)].mean(0)
    parts = [torch.full((one.width,), 2 / one.width - 1 if one.is_category else 0.0) for one, _ in table.within(hidden)]
    return torch.cat(parts)


def imputed(
    public: Batch,
    rows: Batch,
    hidden: tuple[str, ...],
    *,
    told: tuple[Float64[Tensor, "public facts"], Float64[Tensor, "rows facts"]] | None = None,
) -> Float[Tensor, "rows hidden"]:
    """The hidden columns of rows by a regression on each, fitted to public rows: logistic for categories, else linear.

    Of a category every value has its probability, 0 as -1 and 1 as 1. It goes by the columns that are not hidden, by
    the label, and by what else is `told` of both. On few rows gradient boosting is worse, and on a thousand little
    better and twenty times as slow.
    Source: Jayaraman and Evans, https://arxiv.org/abs/2209.01292, whose baseline an imputer is.
    """
    table = require_table(rows.space, "an imputer")
    mask = table.mask(hidden)
    known, asked = _features(public, mask, public, rows), _features(rows, mask, public, rows)
    if told is not None:
        known, asked = torch.cat([known, told[0]], dim=1), torch.cat([asked, told[1]], dim=1)
    own = public.inputs[:, mask]
    parts = [_column(known, own[:, part], asked, column) for column, part in table.within(hidden)]
    return torch.cat(parts, dim=1).float()


def _features(batch: Batch, mask: Tensor, *all_labels: Batch) -> Float64[Tensor, "batch features"]:
    """Known values, and the label: as one value for each class."""
    labels = batch.labels
    if labels.dim() == 1:
        classes = 1 + max(int(one.labels.max()) for one in all_labels)
        labels = torch.nn.functional.one_hot(labels, classes)
    return torch.cat([batch.inputs[:, ~mask].double(), labels.double()], dim=1)


def _column(
    known: Float64[Tensor, "public features"],
    values: Float[Tensor, "public width"],
    asked: Float64[Tensor, "rows features"],
    column: Column,
) -> Float64[Tensor, "rows width"]:
    # Imported only here: scikit-learn is slow to import, and goals are looked up by all that speaks of them.
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if not column.is_category:
        line = make_pipeline(StandardScaler(), Ridge()).fit(known.numpy(), values[:, 0].double().numpy())
        return torch.from_numpy(line.predict(asked.numpy()))[:, None].clamp(-1, 1)
    chosen: Int64[Tensor, " public"] = values.argmax(1)
    seen = torch.unique(chosen)
    shares = torch.zeros(len(asked), column.width, dtype=torch.float64)
    if len(seen) == 1:
        shares[:, seen] = 1.0
    else:
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=ITERATIONS))
        model.fit(known.numpy(), chosen.numpy())
        shares[:, seen] = torch.from_numpy(model.predict_proba(asked.numpy()))
    return 2 * shares - 1
