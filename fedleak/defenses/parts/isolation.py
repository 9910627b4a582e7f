"""Isolation forest, asked fast: scikit-learn makes the trees, and all of them are walked at once."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor, from_numpy

LEAF = -1


@dataclass(frozen=True, kw_only=True)
class Forest:
    """Trees as flat arrays over all their nodes; a leaf is its own child.

    scikit-learn takes some milliseconds for each call, however few rows there are, and a service is asked row by row.
    """

    roots: np.ndarray
    children: np.ndarray
    """Left and right of each node."""
    features: np.ndarray
    thresholds: np.ndarray
    lengths: np.ndarray
    """Of the path to a leaf, and of that which its examples would still need."""
    depth: int
    usual: float
    """Mean length of a path among as many examples as a tree has seen."""

    def score(self, inputs: Float[Tensor, "asked *shape"]) -> Float[Tensor, " asked"]:
        """How easily each is told from the rest, from 0 to 1; the same as scikit-learn's, but for the sign."""
        values = inputs.flatten(1).numpy()
        rows = np.arange(len(values))[:, None]
        at = np.tile(self.roots, (len(values), 1))
        for _ in range(self.depth):
            right = values[rows, self.features[at]] > self.thresholds[at]
            at = self.children[at, right.astype(np.int64)]
        return from_numpy(2 ** -(self.lengths[at].mean(1) / self.usual)).float()


def fitted(benign: Float[Tensor, "benign *shape"], trees: int) -> Forest:
    """A forest that has seen these examples; the same for the same ones."""
    from sklearn.ensemble import IsolationForest  # takes a second to import, and every run reads all defenses

    model = IsolationForest(n_estimators=trees, random_state=0).fit(benign.flatten(1).numpy())
    grown = [estimator.tree_ for estimator in model.estimators_]
    roots = np.cumsum([0, *(tree.node_count for tree in grown)])[:-1]
    children, lengths = [], []
    for root, tree in zip(roots, grown, strict=True):
        pair = np.stack([tree.children_left, tree.children_right], 1)
        own = np.arange(tree.node_count)[:, None]
        children.append(np.where(pair == LEAF, own, pair) + root)
        lengths.append(tree.compute_node_depths() - 1 + path_length(tree.n_node_samples))
    features = np.concatenate([tree.feature for tree in grown])
    return Forest(
        roots=roots,
        children=np.concatenate(children),
        features=np.maximum(features, 0),  # a leaf compares nothing, whatever it looks at
        thresholds=np.concatenate([tree.threshold for tree in grown]),
        lengths=np.concatenate(lengths),
        depth=max(tree.max_depth for tree in grown),
        usual=float(path_length(np.array([model.max_samples_]))[0]),
    )


def path_length(examples: np.ndarray) -> np.ndarray:
    """Mean length of an unsuccessful search among so many, c(n) of the paper: 0 for one, 1 for two."""
    many = np.maximum(examples, 3).astype(np.float64)
    mean = 2 * (np.log(many - 1) + np.euler_gamma) - 2 * (many - 1) / many
    return np.where(examples > 2, mean, np.where(examples == 2, 1.0, 0.0))
