"""Laws of the graph: it is regular and mutual, in one piece, and its order follows from all keys."""

import networkx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedleak.errors import FederationError
from fedleak.secure_aggregation.graph import Degree, Graph


def advertised(clients: int, word: bytes = b"key") -> dict[int, bytes]:
    return {client: word + bytes([client % 256]) for client in range(clients)}


@given(st.integers(2, 40), st.none() | st.integers(1, 30).map(lambda half: 2 * half))
def test_everybody_has_as_many_neighbours_and_they_agree(clients: int, neighbours: int | None) -> None:
    graph = Graph.of(advertised(clients), neighbours)
    near = {client: graph.of_client(client) for client in range(clients)}
    size = Degree(1, neighbours).neighbourhood(clients) - 1
    for client, others in near.items():
        assert len(set(others)) == len(others) == size
        assert client not in others
        assert list(others) == sorted(others)
        assert all(client in near[other] for other in others)


@pytest.mark.parametrize(("clients", "neighbours"), [(10, 4), (25, 8), (40, 2)])
def test_the_ring_stays_in_one_piece_without_any_neighbours_minus_one(clients: int, neighbours: int) -> None:
    graph = Graph.of(advertised(clients), neighbours)
    edges = [(client, other) for client in range(clients) for other in graph.of_client(client)]
    assert networkx.node_connectivity(networkx.Graph(edges)) == neighbours


def test_one_other_key_makes_another_order_and_nothing_else_does() -> None:
    one = advertised(20)
    again = Graph.of(dict(reversed(one.items())), 4)
    assert again == Graph.of(one, 4)
    assert Graph.of({**one, 7: b"another"}, 4).ring != again.ring


@pytest.mark.parametrize(
    ("degree", "clients", "sentence"),
    [
        (
            Degree(3, 3),
            10,
            "neighbours must be an even number above 0, as half lie to each side of a ring, and it is 3",
        ),
        (Degree(1, 0), 10, "neighbours must be an even number above 0"),
        (Degree(8, 6), 10, "threshold must be at most 7, the size of a neighbourhood among 10 clients, and it is 8"),
        (Degree(11), 10, "threshold must be at most 10"),
        (Degree(5), 10, "threshold must be above half of the 10 clients of a neighbourhood"),
        (Degree(3, 6), 10, "threshold must be above half of the 7 clients"),
        (Degree(2, 30), 4, "threshold must be above half of the 4 clients"),
    ],
)
def test_what_protects_nobody_or_cannot_be_is_refused(degree: Degree, clients: int, sentence: str) -> None:
    with pytest.raises(FederationError, match=sentence):
        degree.check(clients)


def test_a_lying_server_needs_more_helpers_the_higher_the_threshold() -> None:
    assert [Degree(threshold).helpers(100) for threshold in (51, 67, 100)] == [2, 34, 100]
    assert Degree(18, 34).helpers(1000) == 1
