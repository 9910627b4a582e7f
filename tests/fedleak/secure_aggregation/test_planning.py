"""Neighbours by the tail bounds: the published figures, the events counted by hand, and what is refused."""

import itertools
import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fedleak.errors import FederationError
from fedleak.secure_aggregation.graph import Degree
from fedleak.secure_aggregation.planning import CORRECTNESS, SECURITY, degree, fewest


@pytest.mark.parametrize(
    ("clients", "corrupt", "dropouts", "neighbours", "threshold"),
    [
        (100, 0.05, 0.05, 30, 16), (100, 0.1, 0.1, 42, 22), (100, 0.33, 0.1, 78, 40),
        (1000, 0.05, 0.05, 34, 18), (1000, 0.1, 0.1, 52, 28), (1000, 0.33, 0.1, 114, 78),
    ],
)  # fmt: skip
def test_the_figures_of_bell_and_others(
    clients: int, corrupt: float, dropouts: float, neighbours: int, threshold: int
) -> None:
    assert fewest(clients, corrupt, dropouts) == Degree(threshold, neighbours)


def chance(clients: int, marked: int, drawn: int, least: int) -> float:
    """That at least so many of those drawn are marked, counted with whole numbers."""
    ways = sum(math.comb(marked, hit) * math.comb(clients - marked, drawn - hit) for hit in range(least, drawn + 1))
    return ways / math.comb(clients, drawn)


@pytest.mark.parametrize(("clients", "share", "lying"), list(itertools.product((100, 200), (0.05, 0.1), (False, True))))
def test_all_three_events_are_rare(clients: int, share: float, lying: bool) -> None:
    found, marked = fewest(clients, share, share, lying=lying), round(share * clients)
    assert found.neighbours is not None
    helpers = found.helpers(clients) if lying else found.threshold
    missing = found.neighbours - found.threshold + 1
    assert clients * chance(clients - 1, marked, found.neighbours, helpers) < SECURITY
    assert clients * chance(clients - 1, marked, found.neighbours, missing) < CORRECTNESS
    assert clients * (2 * share) ** (found.neighbours / 2) < SECURITY


@given(st.integers(3, 60), st.floats(0, 0.3), st.floats(0, 0.3), st.booleans())
def test_what_is_chosen_is_allowed_and_withstands_the_numbers_themselves(
    clients: int, corrupt: float, dropouts: float, lying: bool
) -> None:
    bad, gone = (math.ceil(share * clients - 1e-9) for share in (corrupt, dropouts))
    assume(clients - gone > max((clients + bad if lying else clients) // 2, bad))
    found = fewest(clients, corrupt, dropouts, lying=lying)
    found.check(clients)
    if found.neighbours is None:
        assert bad < (found.helpers(clients) if lying else found.threshold)
        assert found.threshold <= clients - gone


def test_more_corrupt_and_dropped_than_any_threshold_bears_is_refused() -> None:
    with pytest.raises(
        FederationError, match=r"of 10 clients 4 may leave and 7 be corrupt.* lower corrupt or dropouts"
    ):
        fewest(10, 0.7, 0.4)


def test_named_neighbours_get_two_thirds_and_a_named_threshold_stays() -> None:
    assert [degree(clients).threshold for clients in (2, 3, 4, 100)] == [2, 3, 3, 67]
    assert degree(100, 30) == Degree(21, 30)
    assert degree(10, 30) == Degree(7, 30)
    assert degree(100, 30, 16) == Degree(16, 30)
    assert degree(100, "auto", 20) == Degree(20, 30)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((10, 3), "even number"),
        ((10, "all", 11), "at most 10"),
        ((10, 4, 6), "at most 5"),
        ((10, "all", 5), "above half"),
        ((1, "auto"), "2 clients or more"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(arguments: tuple, sentence: str) -> None:
    with pytest.raises(FederationError, match=sentence):
        degree(*arguments)
