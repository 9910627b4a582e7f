"""Of the victim both secrets: refused under our protocol, given under Flower's, whose lists may overlap."""

from collections.abc import Callable
from typing import Any

import pytest

from fedleak.verification.verify import verify

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


@pytest.mark.usefixtures("forgetful")
@pytest.mark.parametrize("options", [{}, {"neighbours": 2, "threshold": 2}], ids=["all", "sparse"])
def test_of_clients_that_forget_what_they_signed_it_gets_the_victim_s_update(
    lied: Lie, options: dict[str, Any]
) -> None:
    one = lied("lies-about-dropouts", [{**OURS[0], **options}])
    [loot] = one.loot
    assert not one.report.failures
    assert loot.cohort == (1,)
    assert one.error(loot) < 1e-6
    assert {check.verdict for check in verify(one.folder)} == {"agrees", "masked"}


@pytest.mark.parametrize("options", [{}, {"num_shares": 3, "reconstruction_threshold": 2}], ids=["all", "sparse"])
@pytest.mark.parametrize("victim", [0, 3])
def test_flower_s_lists_may_overlap(lied: Lie, victim: int, options: dict[str, Any]) -> None:
    one = lied("lies-about-dropouts", [{**FLOWERS, **options}], victim=victim, batch_size=64)
    assert not one.report.failures
    assert one.kinds() == {**EVERYBODY, victim: "weights"}
    [loot] = one.loot
    assert loot.payload.keys() == loot.before.state_dict().keys()
    assert one.steps(loot) < 1
    assert {check.verdict for check in verify(one.folder)} == {"agrees", "masked"}


def test_a_victim_that_left_before_it_sent_anything_has_nothing_to_open(lied: Lie) -> None:
    for chain in (OURS, [FLOWERS]):
        one = lied("lies-about-dropouts", chain, dropouts=[{"client": 1, "round": 1, "stage": "masked"}])
        assert one.reasons.keys() == {1}
        assert one.kinds() == {0: "masked", 2: "masked", 3: "masked", "sum": "aggregate"}
