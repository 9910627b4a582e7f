"""Whatever a server sends, a client answers or refuses: no other exception, and never a second answer."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedleak.errors import FederationError
from fedleak.secure_aggregation.messages import STAGES


@pytest.fixture(scope="module")
def rounds(make_round: Callable[..., Any]) -> dict[str, Any]:
    """A round before each stage that has a question."""
    return {stage: make_round(4, 3).run({3: 2}, until=stage) for stage in STAGES[1:]}


@pytest.fixture(scope="module")
def questions(rounds: dict[str, Any]) -> list[bytes]:
    """Every question there is, from all stages and to all clients."""
    return [question for one in rounds.values() for question in one.questions.values()]


@settings(max_examples=60)
@given(data=st.data())
def test_a_question_that_is_none_is_refused(data: st.DataObject, rounds: dict[str, Any], questions: list) -> None:
    stage = data.draw(st.sampled_from(STAGES[1:]), "stage")
    one = rounds[stage]
    client, right = one.clients[0], one.questions[0]
    changed = data.draw(st.sampled_from([*questions, right, right, right]), "question")
    for _ in range(data.draw(st.integers(0, 2), "changes")):
        place = data.draw(st.integers(0, len(changed) - 1), "place")
        changed = changed[:place] + bytes([changed[place] ^ data.draw(st.integers(1, 255))]) + changed[place + 1 :]
    changed = data.draw(st.sampled_from([changed, changed[:-1], changed + b"x", changed * 2, b"", None, 3, "x"]))
    arguments = (changed, bytes(32), one.vectors[0]) if stage == "masked" else (changed,)
    try:
        after, _ = getattr(client, stage)(*arguments)
    except FederationError as error:
        assert "secure-aggregation: " in str(error)  # noqa: PT017
        return
    # No registry here: a server may make up other clients, and only the client's own part is sure.
    assert changed == right or stage in ("share", "confirm")
    with pytest.raises(FederationError, match="answers again for the same content"):
        getattr(after, stage)(*((b"other", *arguments[1:])))
