"""A client of Flower's protocol that the server makes up adds what it is told to a sum, or nothing."""

from collections.abc import Callable
from typing import Any

import pytest

FLOWERS = [{"use": "secure-aggregation-flower"}]


@pytest.mark.parametrize("victim", [0, 2])
def test_players_that_send_nothing_leave_the_victim_and_one_that_sends_its_update_stands_for_it(
    lied: Callable[..., Any], victim: int
) -> None:
    one = lied("forged-roster", FLOWERS, victim=victim, batch_size=64)
    [loot] = one.loot
    [whole] = [found for found in one.recordings if found.kind == "aggregate"]
    assert loot.num_examples == 64
    assert whole.num_examples == 4 * 64
    assert whole.cohort == (0, 1, 2, 3)
    assert one.steps(loot) < 1
