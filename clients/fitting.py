"""Fitting of a decision tree on a party: what a protocol of all parties would give them, which is not run here.

Such protocols (Wu et al. 2020, https://arxiv.org/abs/2008.06170) show nobody anything but the tree. In their place the
active party's process reads the columns of all: it stands for a third that all trust, and keeps nothing but the tree.
"""

from copy import deepcopy
from dataclasses import replace

from fedleak.errors import FederationError
from fedleak.learning.decision_tree import tree_in
from fedleak.learning.split import ACTIVE, joint
from fedleak.learning.weights import NamedTensors, Weights
from fedleak.randomness import seed_of

from .columns import columns_of
from .party import Party
from .release import note_use

MOST = 2**32
"""Seeds of scikit-learn are below it."""


def fit(party: Party) -> NamedTensors:
    """Has the active party hold the tree, and all take the one step of the round; refuses another network."""
    if tree_in(party.network) is None:
        raise FederationError("expected a network that is a decision tree to fit; this party refuses")
    party.place.require_after(party.held.last)
    weights = _fitted(party) if party.own == ACTIVE else party.held.weights
    replace(party.held, weights=weights, last=party.place).keep(party.context)
    note_use(party)
    return {}


def _fitted(party: Party) -> Weights:
    network = deepcopy(party.network)
    found = tree_in(network)
    assert found is not None
    name, tree = found
    parts = [columns_of(party.plan, one)[party.rows] for one in range(party.plan.federation.clients)]
    labels = parts[ACTIVE].labels
    assert labels is not None
    rows = joint([network.bottoms[one](part.inputs) for one, part in enumerate(parts)])
    tree.fit(rows, labels, seed_of(*party.seed_key) % MOST)
    state = {f"{name}.{key}": value.detach().clone() for key, value in tree.state_dict().items()}
    return party.held.weights.like({**party.held.weights.state_dict(), **state})
