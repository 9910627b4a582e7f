"""Neighbours and threshold for a cohort, by tail bounds after Bell et al.

https://doi.org/10.1145/3372297.3417885. Three events must be rare, over all clients together:

- `threshold` or more of a client's neighbours are corrupt: its secrets are open (2^-40, hypergeometric);
- the ring falls apart without the corrupt and the dropped, which takes a run of `neighbours / 2` of them: the sum of
  each part is open (2^-40; n (corrupt + dropouts)^(neighbours / 2), a union bound of ours over where the run begins);
- fewer than `threshold` of a client's neighbours stay: the round is lost (2^-30, hypergeometric).

The threshold is above half of a neighbourhood besides.
"""

import math
from typing import Literal, TypeAlias

import numpy as np

from fedleak.errors import FederationError

from .graph import Degree

Neighbours: TypeAlias = int | Literal["all", "auto"]
SECURITY, CORRECTNESS = 2.0**-40, 2.0**-30


def degree(
    clients: int,
    neighbours: Neighbours = "all",
    threshold: int | None = None,
    *,
    corrupt: float = 0.05,
    dropouts: float = 0.05,
    lying: bool = False,
) -> Degree:
    """Neighbours and threshold of a cohort, checked; without a threshold it is above two thirds of a neighbourhood.

    `"auto"` takes the fewest neighbours that withstand a `corrupt` share of clients that help the server and a
    `dropouts` share that leave; with `lying` also where the server lies and identity keys are registered, for which
    twice the threshold must exceed a neighbourhood and its corrupt (see `Degree.helpers`). Fewer neighbours than all
    need a session whose `smallest_cohort` is above two thirds of the clients: a server chooses the roster.
    """
    if neighbours == "auto":
        found = fewest(clients, corrupt, dropouts, lying=lying)
        return found if threshold is None else _checked(Degree(threshold, found.neighbours), clients)
    sparse = None if neighbours == "all" else neighbours
    size = Degree(0, sparse).neighbourhood(clients)
    return _checked(Degree(2 * size // 3 + 1 if threshold is None else threshold, sparse), clients)


def _checked(found: Degree, clients: int) -> Degree:
    found.check(clients)
    return found


def fewest(clients: int, corrupt: float, dropouts: float, *, lying: bool = False) -> Degree:
    """The fewest neighbours, and the lowest threshold with them, that keep the bounds; all clients where none do."""
    if clients < 2 or not 0 <= corrupt < 1 or not 0 <= dropouts < 1:
        raise FederationError(
            f"secure-aggregation: neighbours are chosen for 2 clients or more and shares from 0 to 1, and {clients} "
            f"clients, corrupt = {corrupt} and dropouts = {dropouts} came"
        )
    bad, gone = _most(corrupt, clients), _most(dropouts, clients)
    for neighbours in range(2, clients - 1, 2):
        if clients * ((bad + gone) / clients) ** (neighbours / 2) >= SECURITY:
            continue
        threshold = _threshold(clients, neighbours, bad, gone, lying=lying)
        if threshold is not None:
            return Degree(threshold, neighbours)
    return _complete(clients, bad, gone, lying=lying)


def _most(share: float, clients: int) -> int:
    """A share as a number of clients, rounded up; but .1 of 30 are 3."""
    return math.ceil(share * clients - 1e-9)


def _threshold(clients: int, neighbours: int, bad: int, gone: int, *, lying: bool) -> int | None:
    """The lowest threshold that keeps both tails short, if one does."""
    from scipy.stats import hypergeom  # takes a second to import, and most runs have all neighbours

    thresholds = np.arange((neighbours + 1) // 2 + 1, neighbours + 1)
    enough = 2 * thresholds - (neighbours + 1) if lying else thresholds
    # A lying server may leave out a third of all, and none of its own.
    among = (2 * clients // 3 + 1 if lying else clients) - 1
    opened = clients * hypergeom.sf(enough - 1, among, min(bad, among), neighbours)
    lost = clients * hypergeom.cdf(thresholds - 1, clients - 1, max(clients - 1 - gone, 0), neighbours)
    good = thresholds[(opened < SECURITY) & (lost < CORRECTNESS)]
    return int(good[0]) if len(good) else None


def _complete(clients: int, bad: int, gone: int, *, lying: bool) -> Degree:
    """All clients: nothing is left to chance but the numbers themselves."""
    threshold = max(clients // 2, (clients + bad) // 2 if lying else bad) + 1
    if threshold > clients - gone:
        raise FederationError(
            f"secure-aggregation: of {clients} clients {gone} may leave and {bad} be corrupt, so a threshold would be "
            f"{threshold} or more and at most {clients - gone}; lower corrupt or dropouts, or name neighbours and "
            "threshold"
        )
    return Degree(threshold)
