"""Rounds of secure aggregation on Flower's messages: who leaves, who sends nonsense, and what the sum is then."""

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedleak.clients import client as client_module
from fedleak.defenses.secure_aggregation import SecureAggregation, masking_of
from fedleak.errors import ConfigError, FederationError
from fedleak.federation import engine, wire
from fedleak.federation.engine import run_federation
from fedleak.federation.loopback import LoopbackGrid
from fedleak.federation.outcome import FederationReport
from fedleak.federation.plan import FederationPlan
from fedleak.federation.reply import reply
from fedleak.learning.mean_change import changes
from fedleak.learning.weights import Weights
from fedleak.recording.files import read_recording, write_recording
from fedleak.recording.payload import CUT, RING
from fedleak.recording.recording import Recording
from fedleak.secure_aggregation.messages import STAGES
from fedleak.settings.base import parse_settings
from fedleak.vault.batches import withdraw
from fedleak.verification.verify import verify

SECAGG = {"use": "secure-aggregation", "threshold": 3}
Spoil = Callable[[str, int, Message], Message | None]


def plan_in(folder: Path, clients: int = 4, chain: Any = SECAGG, **changes: Any) -> FederationPlan:
    places = {
        "task": "digits-mlp",
        "recordings": str(folder / "recordings" / "d"),
        "vault": str(folder / "vault" / "d"),
    }
    federation = {"clients": clients, **changes.pop("federation", {})}
    return parse_settings(FederationPlan, {**places, "chain": [chain], "federation": federation, **changes})


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., FederationReport]:
    return lambda *arguments, **changes: run_federation(plan_in(tmp_path, *arguments, **changes))


@pytest.fixture
def spoilt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., FederationReport]:
    """A federation on a grid where replies in a stage are spoilt; None: the reply is lost."""

    def go(spoil: Spoil, **changes: Any) -> FederationReport:
        class Bad(LoopbackGrid):
            def send_and_receive(
                self, messages: Iterable[Message], *, timeout: float | None = None
            ) -> Iterable[Message]:
                sent = list(messages)
                stages = {kind: stage for stage, kind in wire.MESSAGE_TYPES.items()}
                for message, answer in zip(sent, super().send_and_receive(sent, timeout=timeout), strict=True):
                    stage = stages.get(message.metadata.message_type)
                    kept = answer if stage is None else spoil(stage, message.metadata.dst_node_id - 1, answer)
                    if kept is not None:
                        yield kept

        monkeypatch.setattr(engine, "LoopbackGrid", Bad)
        return run_federation(plan_in(tmp_path, **changes))

    return go


def read(report: FederationReport) -> list[Recording]:
    return [read_recording(path) for path in report.recordings]


def sums(report: FederationReport) -> dict[int, Recording]:
    return {one.round: one for one in read(report) if one.kind == "aggregate"}


def masking(recording: Recording) -> SecureAggregation:
    found = masking_of(recording.chain)
    assert found is not None
    return found


def elements(recording: Recording) -> np.ndarray:
    ring = recording.payload[RING].numpy()
    return ring.view(f"u{ring.itemsize}")


def own_vector(folder: Path, recording: Recording, client: int) -> np.ndarray:
    """What a client put into the sum, recomputed from the truth."""
    truth = withdraw(folder / "vault" / "d", recording.round, client)
    given_back = reply(
        recording.task, recording.before, truth.examples, truth.training, recording.chain, truth.seed_key
    ).weights
    return masking(recording).vector(recording.before, given_back, len(truth.examples), 4)


def clear_sum(folder: Path, recording: Recording) -> np.ndarray:
    return np.sum(
        [own_vector(folder, recording, one) for one in recording.cohort], axis=0, dtype=elements(recording).dtype
    )


RINGS = [{}, {"ring_bits": 32, "max_value": 0.5}]


@pytest.mark.slow
@pytest.mark.parametrize("ring", RINGS, ids=["64", "32"])
@pytest.mark.parametrize("stage", STAGES)
def test_who_leaves_before_a_stage_costs_its_own_part_alone(
    run: Callable[..., FederationReport], tmp_path: Path, stage: str, ring: dict[str, Any]
) -> None:
    report = run(
        federation={"dropouts": [{"client": 2, "round": 1, "stage": stage}], "rounds": 2}, chain={**SECAGG, **ring}
    )
    assert [(one.client, one.round, one.planned) for one in report.failures] == [(2, 1, True)]
    found = sums(report)
    assert found[1].cohort == ((0, 1, 2, 3) if stage in ("confirm", "unmask") else (0, 1, 3))
    assert found[2].cohort == (0, 1, 2, 3)
    for one in found.values():
        assert np.array_equal(elements(one), clear_sum(tmp_path, one))
        assert one.num_examples == len(one.cohort)
    assert {check.verdict for check in verify(tmp_path)} == {"agrees", "masked"}


@pytest.mark.slow
def test_below_the_threshold_the_round_is_lost_with_a_sentence_and_the_next_goes_on(
    run: Callable[..., FederationReport], caplog: pytest.LogCaptureFixture
) -> None:
    leave = [{"client": 1, "round": 1, "stage": "confirm"}, {"client": 2, "round": 1, "stage": "masked"}]
    report = run(federation={"dropouts": leave, "rounds": 2})
    assert list(sums(report)) == [2]
    lost = report.failures[-1]
    assert (lost.client, lost.round, lost.planned) == (None, 1, True)
    assert "must end with 2 clients and 3 of each neighbourhood, and 2 of" in lost.reason
    assert "round 1 is lost" in caplog.text
    first, second = (next(one for one in read(report) if one.round == round).before for round in (1, 2))
    assert all(torch.equal(first.parameters[name], value) for name, value in second.parameters.items())


@pytest.mark.slow
def test_where_all_leave_as_asked_the_round_is_lost_and_where_all_fail_the_federation_ends(
    run: Callable[..., FederationReport], monkeypatch: pytest.MonkeyPatch
) -> None:
    leave = [{"client": client, "round": 1, "stage": stage} for client, stage in enumerate(STAGES[:4])]
    for stage in ("advertise", "masked"):
        report = run(federation={"dropouts": [{**one, "stage": stage} for one in leave], "rounds": 2})
        assert list(sums(report)) == [2]
    with pytest.raises(ConfigError, match=r"round 1: no client sent an update: .*lower fraction_bits"):
        run(federation={"learning_rate": 1e30, "rounds": 3})


def test_a_client_that_fails_is_told_of_and_costs_nobody_else(
    run: Callable[..., FederationReport], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*arguments: Any) -> Any:
        if arguments[5][2] == 2:
            raise RuntimeError("out of cheese")
        return reply(*arguments)

    monkeypatch.setattr(client_module, "reply", failing)
    report = run()
    assert [(one.client, one.reason, one.planned) for one in report.failures] == [
        (2, "FederationError: client 2 failed (RuntimeError); its own log says more", False)
    ]
    monkeypatch.undo()
    assert np.array_equal(elements(sums(report)[1]), clear_sum(tmp_path, sums(report)[1]))


@pytest.mark.slow
def test_a_share_of_clients_leaves_at_stages_of_its_own(run: Callable[..., FederationReport]) -> None:
    report = run(10, federation={"dropouts": 0.2, "rounds": 4}, chain={**SECAGG, "threshold": 6})
    left = {round: {one.client for one in report.failures if one.round == round} for round in range(1, 5)}
    assert {len(clients) for clients in left.values()} == {2}
    assert len(set(map(frozenset, left.values()))) > 1
    assert len(sums(report)) == 4


@pytest.mark.slow
def test_one_client_s_part_is_exact_in_a_sum_of_sixty_four(
    run: Callable[..., FederationReport], tmp_path: Path
) -> None:
    """By who knows the other sixty-three; a mean in float32 blurs it to 2e-3."""
    total = sums(run(64, chain={"use": "secure-aggregation", "neighbours": 6, "threshold": 4}))[1]
    others = np.sum([own_vector(tmp_path, total, one) for one in range(63)], axis=0, dtype=np.uint64)
    truth = withdraw(tmp_path / "vault" / "d", 1, 63)
    sent = reply(total.task, total.before, truth.examples, truth.training, total.chain, truth.seed_key).weights
    exact = changes(total.before, sent)
    found = masking(total).numbers.values((elements(total) - others)[:-1])
    assert np.linalg.norm(found - exact) < 1e-8 * np.linalg.norm(exact)


@pytest.mark.slow
@pytest.mark.parametrize("keys", ["system", "seeded"])
@pytest.mark.parametrize("graph", [{"neighbours": "all", "threshold": 8}, {"neighbours": 6, "threshold": 4}], ids=str)
def test_the_recorded_masks_add_up_to_nothing_that_is_known(
    run: Callable[..., FederationReport], tmp_path: Path, keys: str, graph: dict[str, Any]
) -> None:
    report = run(12, chain={"use": "secure-aggregation", "keys": keys, **graph}, federation={"dropouts": 0.2})
    *masked, total = read(report)
    assert np.array_equal(elements(total), clear_sum(tmp_path, total))
    assert not np.array_equal(np.sum([elements(one) for one in masked], axis=0, dtype=np.uint64), elements(total))
    assert all(set(one.public_keys) >= set(map(str, one.cohort)) for one in masked)


def test_values_beyond_the_greatest_are_cut_counted_and_told(
    run: Callable[..., FederationReport], tmp_path: Path
) -> None:
    report = run(chain={**SECAGG, "ring_bits": 32, "max_value": 0.01})
    total = sums(report)[1]
    values = [own_vector(tmp_path, total, client) for client in total.cohort]
    assert report.costs[1].values_cut == total.metrics[CUT]
    assert total.metrics[CUT] == sum(int(one.view(np.int32)[-1]) for one in values) > 0
    assert np.array_equal(elements(total), np.sum(values, axis=0, dtype=np.uint32))
    assert all(elements(one).dtype == np.uint32 for one in read(report))


def test_what_would_overflow_is_refused_and_never_clipped(run: Callable[..., FederationReport]) -> None:
    with pytest.raises(ConfigError, match="lower fraction_bits"):
        run(federation={"learning_rate": 1e4}, chain={**SECAGG, "fraction_bits": 60})


# Answers that are none.


NONSENSE: dict[str, Any] = {
    "bytes": ConfigRecord({wire.ANSWER: b"nonsense"}),
    "no bytes": ConfigRecord({wire.ANSWER: 3}),
    "another key": ConfigRecord({"other": b"x"}),
    "a number": MetricRecord({"num-examples": 1}),
    "an array of floats": ArrayRecord([np.zeros(5)]),
}


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("kind", NONSENSE)
def test_an_answer_that_is_none_is_refused_and_told_with_client_and_stage(
    spoilt: Callable[..., FederationReport], caplog: pytest.LogCaptureFixture, tmp_path: Path, stage: str, kind: str
) -> None:
    def spoil(here: str, client: int, answer: Message) -> Message:
        if (here, client) != (stage, 1):
            return answer
        answer.content.clear()
        answer.content["arrays" if kind.startswith("an array") else "other"] = NONSENSE[kind]
        if kind in ("bytes", "no bytes", "another key"):
            answer.content[wire.SECURE_AGGREGATION] = answer.content.pop("other")
        return answer

    report = spoilt(spoil)
    [failure] = report.failures
    assert (failure.client, failure.round) == (1, 1)
    assert failure.reason.startswith("FederationError: secure-aggregation: client 1 must ")
    assert f"stage '{stage}', client 1 is refused" in caplog.text
    total = sums(report)[1]
    assert total.cohort == ((0, 1, 2, 3) if stage in ("confirm", "unmask") else (0, 2, 3))
    assert np.array_equal(elements(total), clear_sum(tmp_path, total))


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_no_reply_at_all_is_a_dropout(spoilt: Callable[..., FederationReport], tmp_path: Path, stage: str) -> None:
    report = spoilt(lambda here, client, answer: None if (here, client) == (stage, 1) else answer)
    assert [(one.client, one.reason) for one in report.failures] == [(1, "TimeoutError: no reply came")]
    total = sums(report)[1]
    assert np.array_equal(elements(total), clear_sum(tmp_path, total))


def require_spoilt_and_shut(report: FederationReport, folder: Path) -> None:
    """Two rounds, each lost or with a sum that is not the clients', and no vector of a client in clear."""
    found = sums(report)
    assert {one.round for one in report.failures if one.client is None} | found.keys() == {1, 2}
    assert not any(np.array_equal(elements(one), clear_sum(folder, one)) for one in found.values())
    vectors = {(one.round, *one.cohort): one for one in read(report) if one.kind == "masked"}
    assert vectors.keys() >= {(round, client) for round in found for client in range(6)}
    for (_, client), one in vectors.items():
        for owner in {client, 0, 1}:
            assert np.mean(elements(one) == own_vector(folder, one, owner)) < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_answers_of_others_or_of_other_rounds_are_refused(
    spoilt: Callable[..., FederationReport], tmp_path: Path, stage: str
) -> None:
    """Of two clients each other's in the first round, and in the second that of the first."""
    kept: dict[int, Any] = {}

    def spoil(here: str, client: int, answer: Message) -> Message:
        if here == stage and client in (0, 1) and not answer.has_error():
            earlier = kept.get(1 - client) if len(kept) < 2 else kept[client]
            kept.setdefault(client, dict(answer.content))
            if earlier is not None:
                answer.content.clear()
                answer.content.update(earlier)
        return answer

    report = spoilt(spoil, federation={"clients": 6, "rounds": 2}, chain={**SECAGG, "threshold": 4})
    if stage == "masked":  # a vector says nothing of whose it is: its sender spoils the sum, and opens nothing
        require_spoilt_and_shut(report, tmp_path)
        return
    if stage == "unmask":  # another's shares are seen when they do not fit together, which loses the round
        assert "must fit together" in next(one for one in report.failures if one.client is None).reason
    else:
        assert {one.client for one in report.failures if one.round == 1} == {1}
    assert {one.client for one in report.failures if one.round == 2} == {0, 1}
    for total in sums(report).values():
        assert np.array_equal(elements(total), clear_sum(tmp_path, total))


@pytest.mark.slow
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(STAGES), st.integers(0, 3), st.one_of(st.binary(), st.integers(), st.text(), st.lists(st.floats()))
)
def test_whatever_comes_is_refused_and_the_round_ends_rightly(
    spoilt: Callable[..., FederationReport], tmp_path: Path, stage: str, victim: int, answer: Any
) -> None:
    def spoil(here: str, client: int, sent: Message) -> Message:
        if (here, client) == (stage, victim) and not sent.has_error():
            sent.content.clear()
            sent.content[wire.SECURE_AGGREGATION] = ConfigRecord({wire.ANSWER: answer})
        return sent

    total = sums(spoilt(spoil))[1]
    assert np.array_equal(elements(total), clear_sum(tmp_path, total))


@pytest.mark.slow
def test_a_round_that_a_client_spoils_is_lost_and_not_as_planned(
    spoilt: Callable[..., FederationReport],
) -> None:
    """Neither where nobody left, nor where somebody did as asked."""

    def spoil(here: str, client: int, answer: Message) -> Message:
        if (here, client) == ("masked", 1):
            vector = wire.answer_of(answer.content)
            assert isinstance(vector, np.ndarray)
            answer.content["arrays"] = wire.from_ring(vector - (1 << 40))
        return answer

    for dropouts in (0.0, [{"client": 3}]):
        lost = spoilt(spoil, federation={"dropouts": dropouts}).failures[-1]
        assert (lost.client, lost.planned) == (None, False)
        assert "a sum must be of one example or more" in lost.reason


def test_a_strategy_s_round_of_too_few_clients_is_told_before_the_first() -> None:
    with pytest.raises(ConfigError, match="needs 2 clients or more in a round, and a round of this federation has 1"):
        plan_in(Path("x"), federation={"strategy_options": {"fraction_train": 0.3}}).training()


def test_an_old_recording_of_a_sum_is_still_read(run: Callable[..., FederationReport]) -> None:
    """Its payload is the mean of the weights, and its secrets came from the seed."""
    report = run()
    total = sums(report)[1]
    path = write_recording(Path(report.recordings[0]).parents[1] / "old", replace(total, payload=total.state))
    facts = json.loads(path.read_text())
    del facts["chain"][0]["keys"]
    path.write_text(json.dumps(facts))
    old = read_recording(path)
    torch.testing.assert_close(
        old.observation().update.vector(), total.observation().update.vector(), rtol=0, atol=1e-6
    )
    assert masking(old).keys == "seeded"


def test_a_sum_of_no_example_is_none() -> None:
    weights = Weights({"w": torch.zeros(2)}, {})
    total = SecureAggregation().numbers.counts(1, 2, 3)
    with pytest.raises(FederationError, match="of one example or more, and it counts 0"):
        SecureAggregation().opened(total * 0)
    assert SecureAggregation().entries(weights) == 3
