"""What two lists of survivors give of clients that sign both."""

from collections.abc import Callable
from typing import Any

import pytest

from fedleak.verification.verify import verify

Lie = Callable[..., Any]
OURS = {"use": "secure-aggregation", "keys": "seeded"}


@pytest.mark.usefixtures("forgetful")
@pytest.mark.parametrize("options", [{}, {"neighbours": 2, "threshold": 2}], ids=["all", "sparse"])
def test_of_clients_that_forget_what_they_signed_it_gets_the_victim_s_update(
    lied: Lie, options: dict[str, Any]
) -> None:
    one = lied("lies-about-dropouts", [{**OURS, **options}])
    [loot] = one.loot
    assert not one.report.failures
    assert loot.cohort == (1,)
    assert one.error(loot) < 1e-6
    assert {check.verdict for check in verify(one.folder)} == {"agrees", "masked"}
