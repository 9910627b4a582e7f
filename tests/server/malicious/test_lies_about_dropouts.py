"""Of the victim both secrets: refused under our protocol, given under Flower's, whose lists may overlap."""

from collections.abc import Callable
from typing import Any

Lie = Callable[..., Any]
OURS = [{"use": "secure-aggregation", "keys": "seeded"}]
FLOWERS = {"use": "secure-aggregation-flower"}
EVERYBODY = {0: "masked", 1: "masked", 2: "masked", 3: "masked", "sum": "aggregate"}


def test_nobody_signs_a_second_list_and_the_round_goes_on(lied: Lie) -> None:
    one = lied("lies-about-dropouts", OURS)
    assert one.reasons.keys() == {0, 2, 3}
    wanted = "has answered 'confirm' and answers again for the same content alone, and another came"
    assert all(wanted in reason for reason in one.reasons.values())
    assert one.kinds() == EVERYBODY


def test_a_victim_that_left_before_it_sent_anything_has_nothing_to_open(lied: Lie) -> None:
    for chain in (OURS, [FLOWERS]):
        one = lied("lies-about-dropouts", chain, dropouts=[{"client": 1, "round": 1, "stage": "masked"}])
        assert one.reasons.keys() == {1}
        assert one.kinds() == {0: "masked", 2: "masked", 3: "masked", "sum": "aggregate"}
