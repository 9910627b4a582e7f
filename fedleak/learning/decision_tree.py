"""Decision tree as a network: a row falls through it to a leaf, which says a class and not how sure it is."""

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

NEVER = 1e30
"""A threshold that no value is above: where a branch ends before the last level, all go on to the left."""
SURE = 30.0
"""The score of a leaf's class; that of the others is 0."""


class DecisionTree(nn.Module):
    """A complete binary tree: node n has the children 2n + 1, for values up to its threshold, and 2n + 2."""

    features: Tensor
    thresholds: Tensor

    def __init__(self, values: int, classes: int, depth: int) -> None:
        super().__init__()
        nodes, leaves = 2**depth - 1, 2**depth
        self.values, self.depth = values, depth
        self.register_buffer("features", torch.zeros(nodes, dtype=torch.int64))
        self.register_buffer("thresholds", torch.full((nodes,), NEVER))
        self.leaves = nn.Parameter(torch.zeros(leaves, classes))
        """Scores of each; before the tree is fitted they are all that training by gradients can change."""

    def forward(self, rows: Float[Tensor, "batch values"]) -> Float[Tensor, "batch classes"]:
        scores: Tensor = self.leaves[self.path(rows)[:, -1] - len(self.features)]
        return scores

    def path(self, rows: Float[Tensor, "batch values"]) -> Int[Tensor, "batch levels"]:
        """The node of each level that a row comes by, from the root to its leaf, which counts on behind the nodes."""
        nodes = [torch.zeros(len(rows), dtype=torch.int64)]
        for _ in range(self.depth):
            nodes.append(2 * nodes[-1] + 1 + self.above(rows, nodes[-1]).long())
        return torch.stack(nodes, dim=1)

    def above(self, rows: Float[Tensor, "batch values"], nodes: Int[Tensor, " batch"]) -> Bool[Tensor, " batch"]:
        """Whether a row goes on to the right of a node."""
        return rows.gather(1, self.features[nodes][:, None])[:, 0] > self.thresholds[nodes]

    def ways(self) -> Iterator[tuple[int, list[tuple[int, bool]]]]:
        """Each leaf that can be reached, by its number, with the nodes above it and whether it lies to their right."""
        for leaf in range(len(self.leaves)):
            node, way = leaf + len(self.features), []
            while node:
                parent, right = (node - 1) // 2, node % 2 == 0
                way.append((parent, right))
                node = parent
            if not any(right and self.thresholds[parent] >= NEVER for parent, right in way):
                yield leaf, [(parent, right) for parent, right in reversed(way) if self.thresholds[parent] < NEVER]

    def fit(self, rows: Float[Tensor, "batch values"], labels: Int[Tensor, " batch"], seed: int) -> None:
        """Becomes scikit-learn's tree of these rows (CART by Gini impurity), of no more levels than it has."""
        from sklearn.tree import DecisionTreeClassifier  # slow to import, and few networks are trees

        found = DecisionTreeClassifier(max_depth=self.depth, random_state=seed).fit(rows.numpy(), labels.numpy())
        with torch.no_grad():
            self.thresholds.fill_(NEVER)
            self._copy(found, 0, 0, found.classes_.tolist())

    def _copy(self, found: Any, theirs: int, node: int, classes: list[int]) -> None:
        """One of scikit-learn's nodes, and all below it."""
        tree, inner = found.tree_, len(self.features)
        if node >= inner:
            self.leaves[node - inner] = 0.0
            self.leaves[node - inner, classes[int(tree.value[theirs, 0].argmax())]] = SURE
            return
        left, right = (int(child[theirs]) for child in (tree.children_left, tree.children_right))
        if left < 0:
            self._copy(found, theirs, 2 * node + 1, classes)
            return
        self.features[node] = int(tree.feature[theirs])
        self.thresholds[node] = float(tree.threshold[theirs])
        self._copy(found, left, 2 * node + 1, classes)
        self._copy(found, right, 2 * node + 2, classes)


def tree_in(network: nn.Module) -> tuple[str, DecisionTree] | None:
    """The decision tree within a network, and its name; None where there is none."""
    return next(((name, one) for name, one in network.named_modules() if isinstance(one, DecisionTree)), None)
