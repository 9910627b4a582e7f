"""What the server's transcript determines: the survivors' sum, or below the threshold nothing.

Each masked vector is the sum of a client's own and masks that are uniform and independent as long as their keys are
secret. A combination of vectors without a secret mask is what the server can compute, and no other says anything. The
matrix of masks has entries 0, 1 and -1, each pair's column one of either sign (a network matrix), so its null space
over the integers modulo a power of two is that over the rationals.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import null_space

from fedleak.errors import FederationError
from fedleak.secure_aggregation.messages import OWN, PAIR, SHARES, STAGES, SURVIVORS


def shares_seen(one: Any) -> dict[tuple[int, bytes], set[int]]:
    """Who gave the server a share of each secret, by whose it is and of what."""
    seen: dict[tuple[int, bytes], set[int]] = {}
    for holder, answer in one.transcript.get("unmask", {}).items():
        for owner, share in SHARES.from_bytes(one.session, answer, "").items():
            seen.setdefault((owner, share[:1]), set()).add(holder)
    return seen


def combinations(one: Any) -> tuple[list[int], np.ndarray]:
    """Whose vectors the server has, and the combinations of them in which no secret mask is left."""
    masked = sorted(one.transcript.get("masked", {}))
    known = {key for key, holders in shares_seen(one).items() if len(holders) >= one.session.degree.threshold}
    columns = [{client: 1.0} for client in masked if (client, OWN) not in known]
    shared = set(one.transcript.get("share", {}))
    for low in sorted(shared):
        for high in sorted(set(one.server._roster.neighbours(low)) & shared):
            if low < high and not {(low, PAIR), (high, PAIR)} & known:
                columns.append({low: 1.0, high: -1.0})
    matrix = np.array(
        [[column.get(client, 0.0) for client in masked] for column in columns] or np.zeros((1, len(masked)))
    )
    return masked, null_space(matrix) if masked else np.zeros((0, 0))


def lost(one: Any, gone: dict[int, int]) -> bool:
    try:
        one.run(gone)
    except FederationError:
        # What reached the server in the stage that it lost counts as seen.
        return True
    return False


@settings(max_examples=15)
@given(data=st.data())
def test_the_transcript_determines_the_survivors_sum_or_no_sum(
    data: st.DataObject, make_round: Callable[..., Any]
) -> None:
    clients = data.draw(st.integers(2, 9), "clients")
    # Among all: of a ring that fell apart a part's sum may be open, which the planner makes rare.
    threshold = data.draw(st.integers(clients // 2 + 1, clients), "threshold")
    leaving = st.sampled_from([*range(len(STAGES)), *[len(STAGES)] * 12])
    gone = dict(enumerate(data.draw(st.lists(leaving, min_size=clients, max_size=clients), "gone")))
    one = make_round(clients, threshold)
    below = lost(one, gone)
    masked, free = combinations(one)
    if below:
        assert free.shape[1] == 0
        return
    assert free.shape[1] == 1
    total = np.ones(len(masked)) / np.sqrt(len(masked))
    assert np.allclose(free @ (free.T @ total), total)


def test_no_secret_is_seen_in_both_its_forms(make_round: Callable[..., Any]) -> None:
    one = make_round(6, 4).run({2: 2, 5: 4})
    seen = shares_seen(one)
    assert {owner for owner, kind in seen if kind == PAIR} == {2}
    assert {owner for owner, kind in seen if kind == OWN} == {0, 1, 3, 4, 5}


@pytest.mark.parametrize("split", range(1, 6))
def test_two_lists_of_survivors_open_nothing(split: int, make_round: Callable[..., Any]) -> None:
    """The overlap attack: some clients are told that client 0 survived, the others that it is gone."""
    one = make_round(6, 4).run(until="confirm")
    without = SURVIVORS.to_bytes(one.session, dict.fromkeys(range(1, 6), b""))
    signed = {client: one.ask(client, without if 0 < client <= split else one.questions[client]) for client in range(6)}
    for client, answer in signed.items():
        if 0 < client <= split:
            with pytest.raises(FederationError, match=f"client {client} must sign what it states"):
                one.server.receive(client, answer)
        else:
            one.server.receive(client, answer)
    if split > 2:
        with pytest.raises(FederationError, match="stage 'confirm'"):
            one.server.close()
    else:
        one.questions = dict(one.server.close())
        one.step()
        assert np.array_equal(one.server.total, one.clear_sum(range(6)))
    assert combinations(one)[1].shape[1] == (0 if split > 2 else 1)
