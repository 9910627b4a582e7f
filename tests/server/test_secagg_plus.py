"""Flower's own secure aggregation between our layers: what it does right, what it loses, what a lying server opens."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from flwr.app import Message
from flwr.common import bytes_to_ndarray
from flwr.common.secure_aggregation.crypto.shamir import combine_shares
from flwr.common.secure_aggregation.crypto.symmetric_encryption import generate_shared_key
from flwr.common.secure_aggregation.secaggplus_constants import Key
from flwr.common.secure_aggregation.secaggplus_utils import pseudo_rand_gen
from flwr.serverapp import Grid
from flwr.supercore.primitives.asymmetric import bytes_to_private_key, bytes_to_public_key
from torch import Tensor

from fedleak.defenses.secure_aggregation_flower import SecureAggregationFlower, flower_masking_of
from fedleak.errors import NonFiniteError
from fedleak.federation.engine import run_federation
from fedleak.federation.outcome import FederationReport
from fedleak.federation.plan import FederationPlan
from fedleak.federation.reply import reply
from fedleak.federation.secagg_plus import record_of, shares_in, stage_of
from fedleak.recording.files import read_recording
from fedleak.recording.payload import OWN_SEED, RING
from fedleak.recording.recording import Recording
from fedleak.server import app
from fedleak.server.layer import Layer
from fedleak.server.secagg_plus import FlowerAggregationLayer
from fedleak.settings.base import parse_settings
from fedleak.vault.batches import withdraw

Run = Callable[..., FederationReport]
EXAMPLES = 32
CHAIN = [{"use": "secure-aggregation-flower"}]
FEDERATION = {"clients": 3, "batch_size": EXAMPLES}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    places = {"task": "digits-mlp", "recordings": str(tmp_path / "recordings"), "vault": str(tmp_path / "truth")}

    def federated(**federation: Any) -> FederationReport:
        tree = {**places, "chain": CHAIN, "federation": {**FEDERATION, **federation}}
        return run_federation(parse_settings(FederationPlan, tree))

    return federated


def read(report: FederationReport) -> list[Recording]:
    return [read_recording(path) for path in report.recordings]


def kinds(recordings: list[Recording]) -> list[tuple[int, str, tuple[int, ...]]]:
    return [(one.round, one.kind, one.cohort) for one in recordings]


def true_state(recording: Recording, folder: Path, client: int) -> dict[str, Tensor]:
    """What a client sent beneath its masks."""
    truth = withdraw(folder / "truth", recording.round, client)
    return reply(
        recording.task, recording.before, truth.examples, truth.training, recording.chain, truth.seed_key
    ).weights.state_dict()


def step_of(recording: Recording) -> float:
    """How far an entry of one client may be off: a step of the grid, the client's weight taken out."""
    defense = flower_masking_of(recording.chain)
    assert defense is not None
    return defense.step / defense.weight(EXAMPLES)


@pytest.mark.slow
def test_the_mean_is_that_of_the_clients_within_the_grid(run: Run, tmp_path: Path) -> None:
    *masked, aggregate, following = read(run(rounds=2))[:5]
    sent = [true_state(aggregate, tmp_path, client) for client in range(3)]
    assert (aggregate.kind, aggregate.cohort, aggregate.num_examples) == ("aggregate", (0, 1, 2), 3 * EXAMPLES)
    for name, value in aggregate.state.items():
        mean = sum((state[name] for state in sent), start=torch.zeros(())) / 3
        assert (value - mean).abs().max() < step_of(aggregate)
        torch.testing.assert_close(following.before.state_dict()[name], value, rtol=0, atol=1e-6)
    assert all(one.kind == "masked" for one in masked)


def test_a_masked_vector_is_recorded_with_what_flower_shows_beside_it(run: Run) -> None:
    for one in read(run())[:3]:
        assert one.num_examples == EXAMPLES
        assert set(one.metrics) == {"train_loss"}
        assert set(one.public_keys) == {"0", "1", "2"}
        seen = one.observation()
        assert seen.masked
        assert seen.masked_vector is not None
        assert seen.masked_vector.peers == 2
        assert seen.masked_vector.own_seed == int(one.payload[OWN_SEED])
        assert seen.masked_vector.elements.min() >= 0
        assert seen.masked_vector.elements.double().mean() == pytest.approx(2**31, rel=0.05)
        assert len(seen.masked_vector.elements) == 1 + sum(v.numel() for v in one.before.state_dict().values())


@pytest.mark.slow
def test_a_sparse_graph_relays_the_keys_of_neighbours_alone(tmp_path: Path) -> None:
    tree = {"task": "digits-mlp", "recordings": str(tmp_path / "r"), "vault": str(tmp_path / "v")}
    chain = [{**CHAIN[0], "num_shares": 3, "reconstruction_threshold": 2}]
    report = run_federation(parse_settings(FederationPlan, {**tree, "chain": chain, "federation": {"clients": 6}}))
    assert not report.failures
    assert all(len(one.public_keys) == 3 for one in read(report) if one.kind == "masked")


@pytest.mark.parametrize(("stage", "cohort"), [("masked", (0, 2)), ("unmask", (0, 1, 2))])
def test_a_dropout_after_the_shares_costs_nobody_else_the_round(run: Run, stage: str, cohort: tuple[int, ...]) -> None:
    report = run(dropouts=[{"client": 1, "round": 1, "stage": stage}])
    assert kinds(read(report))[-1] == (1, "aggregate", cohort)
    assert all(failure.planned for failure in report.failures)


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["advertise", "share"])
def test_a_dropout_before_the_shares_loses_the_round_and_no_other(run: Run, stage: str) -> None:
    report = run(rounds=2, dropouts=[{"client": 1, "round": 1, "stage": stage}])
    assert kinds(read(report)) == [
        (1, "masked", (0,)),
        (1, "masked", (2,)),
        *((2, "masked", (client,)) for client in range(3)),
        (2, "aggregate", (0, 1, 2)),
    ]
    dropout, *refusals, lost = report.failures
    assert all(one.planned for one in report.failures)  # the others fail because that one was asked to leave
    assert dropout.reason.startswith("Dropout: ")
    assert [one.client for one in refusals] == [0, 2]
    assert all("KeyError" in one.reason for one in refusals)
    assert lost.client is None
    assert "client 1 left before dealing out shares" in lost.reason


def test_too_few_for_the_threshold_lose_the_round_in_a_sentence(run: Run) -> None:
    leaving = [{"client": client, "round": 1, "stage": "masked"} for client in (0, 1)]
    report = run(rounds=2, dropouts=leaving)
    assert [one.kind for one in read(report)].count("aggregate") == 1
    assert "reconstruction_threshold" in report.failures[-1].reason


def test_what_the_user_is_to_blame_for_is_said(run: Run) -> None:
    with pytest.raises(NonFiniteError, match="learning_rate"):
        run(learning_rate=1e300)


def test_weights_beyond_the_clipping_range_are_cut_without_a_word(run: Run) -> None:
    report = run(learning_rate=1e30)
    aggregate = read(report)[-1]
    assert not report.failures
    assert max(float(value.abs().max()) for value in aggregate.state.values()) <= 8.0 / (EXAMPLES / 1000) * 1.001


class Lying(Layer):
    """A server that says of one client that it is gone and that it is not, to the same neighbours."""

    def __init__(self, inner: Grid, victim: int) -> None:
        super().__init__(inner)
        self.victim = victim
        """Its node."""
        self.keys: dict[int, bytes] = {}
        self.vectors: dict[int, list[Any]] = {}
        self.private: list[bytes] = []
        """Shares of the victim's private key, asked for as if it were gone."""
        self.own: list[bytes] = []
        """Shares of the seed of its own mask, asked for as of any that is not."""

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        sent = list(messages)
        if not sent or sent[0].metadata.message_type != "train":
            return self.inner.send_and_receive(sent, timeout=timeout)
        stage = stage_of(sent[0].content)
        for message in sent if stage == "unmask" else []:
            gone = record_of(message.content)[Key.DEAD_NODE_ID_LIST]
            assert isinstance(gone, list)
            record_of(message.content)[Key.DEAD_NODE_ID_LIST] = [*gone, self.victim]
        replies = list(self.inner.send_and_receive(sent, timeout=timeout))
        for answer in replies:
            assert not answer.has_error()
            self.heed(stage, answer)
        return replies

    def heed(self, stage: str, answer: Message) -> None:
        node, record = answer.metadata.src_node_id, record_of(answer.content)
        if stage == "advertise":
            self.keys[node] = record[Key.PUBLIC_KEY_1]  # type: ignore[assignment]
        elif stage == "masked":
            self.vectors[node] = [bytes_to_ndarray(one) for one in record[Key.MASKED_PARAMETERS]]  # type: ignore
        elif stage == "unmask":
            *honest, (owner, share) = shares_in(answer.content)
            assert owner == self.victim
            self.private.append(share)
            self.own += [share for owner, share in honest if owner == self.victim]
            record[Key.NODE_ID_LIST] = [owner for owner, _ in honest]  # the workflow is told nothing of it
            record[Key.SHARE_LIST] = [share for _, share in honest]

    def opened(self, defense: SecureAggregationFlower) -> np.ndarray:
        """The victim's vector without its masks, as numbers; the weight is left out."""
        vector, private = self.vectors[self.victim], bytes_to_private_key(combine_shares(self.private))
        shapes = [array.shape for array in vector]
        masks = [pseudo_rand_gen(combine_shares(self.own), defense.modulus_range, shapes)]
        for node, key in self.keys.items():
            if node != self.victim:
                shared = generate_shared_key(private, bytes_to_public_key(key))
                mask = pseudo_rand_gen(shared, defense.modulus_range, shapes)
                masks.append(mask if self.victim > node else [-array for array in mask])
        bare = [(array - sum(parts)) % defense.modulus_range for array, *parts in zip(vector, *masks, strict=True)]
        whole = np.concatenate([array.reshape(-1) for array in bare[1:]])
        return (whole * defense.step - defense.clipping_range) / defense.weight(EXAMPLES)


@pytest.mark.slow
@pytest.mark.parametrize("victim", [1, 2, 3])
def test_overlapping_lists_give_the_victim_s_update_and_the_round_ends_as_if_nothing_had_happened(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, victim: int
) -> None:
    liars: list[Lying] = []

    def layer(grid: Grid, *rest: Any) -> Layer:
        liars.append(Lying(grid, victim))
        return FlowerAggregationLayer(liars[0], *rest)

    monkeypatch.setitem(app.LAYERS, "secure-aggregation-flower", layer)
    report = run()
    assert not report.failures
    *masked, aggregate = read(report)
    sent = true_state(aggregate, tmp_path, victim - 1)
    defense = flower_masking_of(aggregate.chain)
    assert defense is not None
    found = liars[0].opened(defense)
    truth = torch.cat([value.reshape(-1) for value in sent.values()]).double().numpy()
    update = truth - torch.cat([value.reshape(-1) for value in aggregate.before.state_dict().values()]).double().numpy()
    assert np.abs(found - truth).max() < step_of(aggregate) < 3.5e-4
    assert np.abs(update).max() > 10 * step_of(aggregate)
    assert aggregate.kind == "aggregate"
    assert all(RING in one.payload for one in masked)
