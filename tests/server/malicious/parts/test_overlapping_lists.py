"""What lists that overlap give of Flower's clients."""

from collections.abc import Callable
from typing import Any

import pytest

from fedleak.verification.verify import verify

Lie = Callable[..., Any]
FLOWERS = {"use": "secure-aggregation-flower"}
EVERYBODY = {0: "masked", 1: "masked", 2: "masked", 3: "masked", "sum": "aggregate"}


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
