"""Own columns: what a holder of a cut says of labels, or of others' columns, by what it holds itself and no more."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor
from torch.nn.functional import one_hot

from fedleak.contracts.cut import Cut
from fedleak.goals.goal import public_in
from fedleak.goals.imputer import imputed
from fedleak.goals.labels import label_frequency
from fedleak.learning.images import Images

Array = npt.NDArray[Any]
FOLDS, NEIGHBORS, RIDGE = 4, 10, 10.0
"""Of the choice among classifiers, of the rows that spread labels, and the penalty of the regression on pixels."""


def labels_by_own_columns(cut: Cut) -> Float[Tensor, "asked classes"] | None:
    """For each row how probable each class is, 0 as -1 and 1 as 1, by a classifier on the holder's own columns.

    It learns from the rows whose labels are known and from public rows: by support vectors, or by labels that spread to
    the nearest rows, whichever does better in cross-validation. Without labels, or columns, all are as frequent as in
    public. Source of the second: Zhou et al. 2003, "Learning with local and global consistency".
    """
    frequency = label_frequency(cut)
    if frequency is None or cut.rows is None:
        return None
    inputs, labels = _labeled(cut)
    if cut.own is None or len(torch.unique(labels)) < 2:
        return (2 * frequency - 1).expand(len(cut.rows), -1).clone()
    return 2 * _classified(inputs, labels, cut.own[cut.asked], len(frequency)) - 1


def columns_by_own_columns(cut: Cut, rng: Generator) -> Tensor | None:
    """Others' values by a regression on the holder's own, and on labels where it has them, learnt from public rows.

    Those of a public row drawn at random where it holds nothing, as the relay does.
    """
    public, rows = public_in(cut), cut.rows
    if public is None or rows is None:
        return None
    known = [place for place in range(rows.inputs.shape[-1]) if place not in cut.places]
    if cut.own is None:
        drawn = torch.randint(len(public), (len(rows),), generator=rng)
        return public.inputs[drawn][..., list(cut.places)]
    if isinstance(cut.task.space, Images):
        return _pixels(public.inputs, rows.inputs[..., known], known, list(cut.places))
    return imputed(public, rows, cut.hidden)


def _labeled(cut: Cut) -> tuple[Float[Tensor, "labeled *own"], Int[Tensor, " labeled"]]:
    """Own columns of the rows whose labels are known, and of public ones."""
    empty = torch.empty(0, dtype=torch.long)
    if cut.own is None or cut.party is None:
        return torch.empty(0, 1), empty
    inputs, labels = [], []
    if cut.known is not None and cut.known_labels is not None:
        inputs.append(cut.own[cut.known])
        labels.append(cut.known_labels)
    if (public := public_in(cut)) is not None:
        inputs.append(public.inputs[..., list(cut.network.places[cut.party])])
        labels.append(public.labels)
    return (torch.cat(inputs), torch.cat(labels)) if inputs else (cut.own[:0], empty)


def _classified(
    inputs: Float[Tensor, "labeled *own"],
    labels: Int[Tensor, " labeled"],
    asked: Float[Tensor, "asked *own"],
    classes: int,
) -> Float[Tensor, "asked classes"]:
    # Imported only here: scikit-learn is slow to import, and goals are looked up by all that speaks of them.
    from sklearn.model_selection import StratifiedKFold

    known, others = inputs.flatten(1).double().numpy(), asked.flatten(1).double().numpy()
    said, rules = labels.numpy(), (_by_margin, _by_neighbors)
    folds = min(FOLDS, int(torch.unique(labels, return_counts=True)[1].min()))
    best = rules[0]
    if folds > 1:
        right = dict.fromkeys(rules, 0)
        for train, test in StratifiedKFold(folds, shuffle=True, random_state=0).split(known, said):
            unlabeled = np.concatenate([known[test], others])
            for rule in rules:
                right[rule] += int((rule(known[train], said[train], unlabeled)[: len(test)] == said[test]).sum())
        best = max(rules, key=lambda rule: right[rule])
    return one_hot(torch.from_numpy(best(known, said, others)), classes).float()


def _by_margin(known: Array, labels: Array, unlabeled: Array) -> Array:
    """Support vectors with a Gaussian kernel."""
    from sklearn.svm import SVC

    found: Array = SVC(C=10.0).fit(known, labels).predict(unlabeled)
    return found


def _by_neighbors(known: Array, labels: Array, unlabeled: Array) -> Array:
    """Labels spread from row to row, to the nearest first."""
    from sklearn.semi_supervised import LabelSpreading

    count = min(NEIGHBORS, len(known) + len(unlabeled) - 1)
    nobody = np.full(len(unlabeled), -1)
    spreading = LabelSpreading(kernel="knn", n_neighbors=count, max_iter=200)
    spreading.fit(np.concatenate([known, unlabeled]), np.concatenate([labels, nobody]))
    found: Array = spreading.transduction_[len(known) :]
    return found


def _pixels(
    public: Float[Tensor, "public *shape"], held: Float[Tensor, "asked *own"], known: list[int], hidden: list[int]
) -> Float[Tensor, "asked *hidden"]:
    """Ridge regression from the pixels that are known to those that are not."""
    from sklearn.linear_model import Ridge

    x, y = public[..., known], public[..., hidden]
    line = Ridge(alpha=RIDGE).fit(x.flatten(1).double().numpy(), y.flatten(1).double().numpy())
    said = torch.from_numpy(line.predict(held.flatten(1).double().numpy())).float()
    return said.reshape(len(held), *y.shape[1:]).clamp(0, 1)
