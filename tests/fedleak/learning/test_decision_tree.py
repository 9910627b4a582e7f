"""A decision tree as a network says what scikit-learn's says, and its ways are those that rows take."""

import pytest
import torch
from sklearn.tree import DecisionTreeClassifier
from torch import nn

from fedleak.learning.decision_tree import NEVER, DecisionTree, tree_in


def rows(count: int = 300) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(1)
    values = 2 * torch.rand(count, 6, generator=rng) - 1
    return values, 3 + (values[:, 0] > 0.2).long() + (values[:, 1] * values[:, 2] > 0).long()


def fitted(depth: int) -> DecisionTree:
    tree = DecisionTree(6, 7, depth)
    tree.fit(*rows(), seed=5)
    return tree


@pytest.mark.parametrize("depth", [1, 3, 6])
def test_it_says_what_scikit_learn_s_says(depth):
    values, labels = rows()
    theirs = DecisionTreeClassifier(max_depth=depth, random_state=5).fit(values.numpy(), labels.numpy())
    said = fitted(depth)(values)
    assert said.argmax(1).tolist() == theirs.predict(values.numpy()).tolist()
    assert said.softmax(1).amax(1).min() > 1 - 1e-6, "and nothing of how sure it is"


def test_it_is_fitted_anew():
    tree = fitted(4)
    tree.fit(rows()[0], torch.zeros(300, dtype=torch.int64), seed=5)
    assert (tree.thresholds == NEVER).all()
    assert (tree(rows()[0]).argmax(1) == 0).all()
    assert len(list(tree.ways())) == 1


def test_ways_lead_where_rows_go():
    tree, (values, _) = fitted(4), rows()
    ways = dict(tree.ways())
    path = tree.path(values)
    assert path.shape == (300, 5)
    for row, nodes in zip(values, path.tolist(), strict=True):
        for node, right in ways[nodes[-1] - len(tree.features)]:
            assert node in nodes
            assert right is bool(row[tree.features[node]] > tree.thresholds[node])
    assert {leaf + len(tree.features) for leaf in ways} >= set(path[:, -1].tolist())


def test_it_is_found_by_its_name():
    network = nn.Sequential(nn.Flatten(), nn.Sequential(fitted(2)))
    found = tree_in(network)
    assert found is not None
    assert found == ("1.0", network[1][0])
    assert tree_in(network[0]) is None
