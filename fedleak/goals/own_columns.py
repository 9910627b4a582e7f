"""Own columns: what a holder of a cut says of labels, or of others' columns, by what it holds itself and no more."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Generator, Tensor
from torch.nn.functional import one_hot

from fedleak.contracts.cut import Cut
from fedleak.goals.goal import public_in
from fedleak.goals.imputer import imputed
from fedleak.goals.labels import label_frequency
from fedleak.learning.images import Images
from fedleak.learning.mixmatch import MixMatch, fresh
from fedleak.learning.split import Party, held_by
from fedleak.learning.weights import Weights
from fedleak.randomness import generator

Array = npt.NDArray[Any]
Rule = Callable[[Tensor, Tensor, Tensor, int], Tensor]
"""From labeled rows, their labels, others, and a number of classes to how probable each is for each of the others."""
FOLDS, NEIGHBORS, RIDGE = 4, 10, 10.0
"""Of the choice among classifiers, of the rows that spread labels, and the penalty of the regression on pixels."""
MOST = 5000
"""Rows without labels that classifiers learn from at most."""


def labels_by_own_columns(cut: Cut) -> Float[Tensor, "asked classes"] | None:
    """For each row how probable each class is, 0 as -1 and 1 as 1, by a classifier on the holder's own columns.

    It learns from the rows whose labels are known, public ones too, and from its other rows: by support vectors, by
    labels that spread to the nearest rows, or by MixMatch on an untrained network of the bottom's architecture,
    whichever does best in cross-validation. Without labels, or columns, all are as frequent as in public. Sources: Zhou
    et al. 2003, "Learning with local and global consistency"; Berthelot et al., https://arxiv.org/abs/1905.02249.
    """
    frequency = label_frequency(cut)
    if frequency is None or cut.rows is None:
        return None
    if cut.own is None or len(torch.unique(cut.labeled[1])) < 2:
        return (2 * frequency - 1).expand(len(cut.rows), -1).clone()
    return 2 * _classified(_Question(cut), len(frequency)) - 1


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


class _Question:
    """A cut, which is the same question where it is the same object, as it is for all draws of a baseline."""

    def __init__(self, cut: Cut) -> None:
        self.cut = cut

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Question) and other.cut is self.cut

    def __hash__(self) -> int:
        return id(self.cut)


@lru_cache(maxsize=1)
def _classified(question: _Question, classes: int) -> Float[Tensor, "asked classes"]:
    # Imported only here: scikit-learn is slow to import, and goals are looked up by all that speaks of them.
    from sklearn.model_selection import KFold, StratifiedKFold

    cut = question.cut
    (inputs, labels), others = cut.labeled, _others(cut)
    rules: list[Rule] = [_by_neighbors, _by_margin, partial(_by_mixmatch, cut)]  # of those as good, the first
    folds, right = min(FOLDS, int(torch.unique(labels, return_counts=True)[1].min())), [0] * len(rules)
    kind = StratifiedKFold if folds > 1 else KFold  # where a class has one row, it is in no fold but its own
    splits = kind(folds if folds > 1 else min(FOLDS, len(labels)), shuffle=True, random_state=0)
    for train, test in splits.split(labels, labels):
        if len(torch.unique(labels[train])) < 2:
            continue
        unlabeled = torch.cat([inputs[test], others])
        for place, rule in enumerate(rules):
            said = rule(inputs[train], labels[train], unlabeled, classes)[: len(test)]
            right[place] += int((said.argmax(1) == labels[test]).sum())
    best = rules[max(range(len(rules)), key=right.__getitem__)]
    return best(inputs, labels, others, classes)[: len(cut.asked)]


def _others(cut: Cut) -> Float[Tensor, "others *own"]:
    """Own columns of the rows that are asked about, and behind them of others without known labels."""
    assert cut.own is not None
    rest = cut.unlabeled[~torch.isin(cut.unlabeled, cut.asked)]
    return cut.own[torch.cat([cut.asked, rest[: max(0, MOST - len(cut.asked))]])]


def _by_margin(known: Tensor, labels: Tensor, others: Tensor, classes: int) -> Tensor:
    """Support vectors with a Gaussian kernel."""
    from sklearn.svm import SVC

    found = SVC(C=10.0).fit(_rows(known), labels.numpy()).predict(_rows(others))
    return one_hot(torch.from_numpy(found), classes).float()


def _by_neighbors(known: Tensor, labels: Tensor, others: Tensor, classes: int) -> Tensor:
    """Labels spread from row to row, to the nearest first."""
    from sklearn.semi_supervised import LabelSpreading

    count = min(NEIGHBORS, len(known) + len(others) - 1)
    nobody = np.full(len(others), -1)
    spreading = LabelSpreading(kernel="knn", n_neighbors=count, max_iter=200)
    spreading.fit(np.concatenate([_rows(known), _rows(others)]), np.concatenate([labels.numpy(), nobody]))
    return one_hot(torch.from_numpy(spreading.transduction_[len(known) :]), classes).float()


def _by_mixmatch(cut: Cut, known: Tensor, labels: Tensor, others: Tensor, classes: int) -> Tensor:
    """What label inference does with the party's trained network, by one that nobody trained."""
    assert cut.party is not None
    rng, network = generator("own columns"), cut.network
    declared = held_by(Weights.of(network), cut.party)
    start = {name: value for name, value in declared.parameters.items() if name.startswith(f"bottoms.{cut.party}.")}
    features = Party(network, cut.party).vectors(declared.buffers)
    learnt = MixMatch().fit(features, fresh(start, rng), (known, labels), others, classes, rng)
    return learnt.probabilities(others)


def _rows(inputs: Tensor) -> Array:
    found: Array = inputs.flatten(1).double().numpy()
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
