"""A server that asks twice, goes back or says "before the recorded rounds" learns nothing more: the client refuses."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from flwr.app import Message

from fedleak.federation import wire

SECAGG = [{"use": "secure-aggregation", "keys": "seeded"}]
Serve = Callable[..., Any]


def vector(reply: Message) -> np.ndarray:
    return np.concatenate([array.numpy().ravel() for array in wire.arrays_of(reply.content).values()])


@pytest.mark.parametrize("chain", [SECAGG, [{"use": "gaussian-noise", "std": 0.1}], []], ids=str)
def test_no_training_before_the_recorded_rounds_but_what_the_plan_has(lying_server: Serve, chain: list[Any]) -> None:
    never = lying_server(chain=chain, federation={"clients": 2})
    assert "and model.trained_rounds is 0; what is sent there is undefended" in never.refusal(
        **{wire.PRETRAINING: True}
    )
    once = lying_server(chain=chain, federation={"clients": 2}, model={"trained_rounds": 1})
    assert not once.ask(**{wire.PRETRAINING: True}).has_error()
    assert "for round 2 of training before" in once.refusal(**{wire.PRETRAINING: True, wire.ROUND: 2})
    question = once.begun("masked")[1][0] if chain is SECAGG else None
    assert not once.ask("masked", 0, question).has_error()
    assert "has answered round 1; what is sent there is undefended" in once.refusal(**{wire.PRETRAINING: True})


@pytest.mark.parametrize("chain", [SECAGG, [{"use": "gaussian-noise", "std": 0.1}]], ids=str)
def test_a_round_is_not_answered_for_another_model(lying_server: Serve, chain: list[Any]) -> None:
    server = lying_server(chain=chain, federation={"clients": 2})
    question = server.begun("masked")[1][0] if chain is SECAGG else None
    first = server.ask("masked", 0, question)
    assert "asks for round 1 again, with another content" in server.refusal("masked", 0, question, dead=True)
    assert np.array_equal(vector(server.ask("masked", 0, question)), vector(first))


def test_the_same_question_has_the_same_answer(lying_server: Serve) -> None:
    feedback = [{"use": "error-feedback", "of": {"use": "top-k", "fraction": 0.1}}]
    server = lying_server(chain=feedback, federation={"rounds": 3})
    first, other = vector(server.ask()), vector(server.ask(**{wire.ROUND: 2}))
    assert np.array_equal(vector(server.ask(**{wire.ROUND: 2})), other)
    assert not np.array_equal(first, other)
    assert "goes back to round 1, and this client has answered round 2" in server.refusal()
    assert not server.ask(**{wire.ROUND: 3}).has_error()
    assert "the plan of this run has rounds 1 to 3" in server.refusal(**{wire.ROUND: 4})
    assert "asks for round 0, and the plan" in server.refusal(**{wire.ROUND: 0})


def test_another_client_s_history_is_its_own(lying_server: Serve) -> None:
    server = lying_server(federation={"rounds": 2})
    assert not server.ask(client=0, **{wire.ROUND: 2}).has_error()
    assert not server.ask(client=1, dead=True).has_error()
