"""Sums of ciphertexts: right, unread by the server, and open to whoever holds the key."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fedleak.defenses.homomorphic_aggregation import HomomorphicAggregation
from fedleak.defenses.parts import ckks
from fedleak.errors import ConfigError, FederationError
from fedleak.federation.engine import run_federation
from fedleak.federation.outcome import FederationReport
from fedleak.federation.plan import FederationPlan
from fedleak.recording.files import read_recording
from fedleak.recording.payload import CIPHERTEXT
from fedleak.recording.recording import Recording
from fedleak.settings.base import parse_settings

Run = Callable[..., FederationReport]
CHAIN = [{"use": "homomorphic-aggregation"}]


def federated(folder: Path, chain: list[dict[str, Any]], **federation: Any) -> FederationReport:
    tree = {"task": "digits-mlp", "recordings": str(folder / "recordings"), "vault": str(folder / "truth")}
    settings = {"clients": 3, "batch_size": 8, **federation}
    return run_federation(parse_settings(FederationPlan, {**tree, "chain": chain, "federation": settings}))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    pytest.importorskip("tenseal", reason='TenSEAL is not installed; pip install "fedleak[homomorphic]"')
    return lambda **federation: federated(tmp_path, CHAIN, **federation)


def read(report: FederationReport) -> list[Recording]:
    return [read_recording(path) for path in report.recordings]


@pytest.mark.slow
def test_the_mean_is_that_of_the_clients_and_single_messages_say_nothing(run: Run, tmp_path: Path) -> None:
    clear = read(federated(tmp_path / "clear", []))
    *sealed, aggregate, following = read(run(rounds=2))[:5]
    sent = torch.stack([one.observation().update.vector() for one in clear])
    assert (aggregate.kind, aggregate.cohort, aggregate.num_examples) == ("aggregate", (0, 1, 2), 24)
    torch.testing.assert_close(aggregate.observation().update.vector(), sent.mean(0), rtol=0, atol=1e-6)
    torch.testing.assert_close(following.before.state_dict(), aggregate.state, rtol=0, atol=1e-7)
    for one, update in zip(sealed, sent, strict=True):
        seen = one.observation()
        assert seen.masked
        assert one.num_examples is None
        assert not one.metrics
        assert abs(float(torch.corrcoef(torch.stack([seen.update.vector(), update]))[0, 1])) < 0.05


@pytest.mark.slow
def test_whoever_holds_the_key_opens_a_single_update_and_nobody_else(run: Run, tmp_path: Path) -> None:
    update = read(federated(tmp_path / "clear", []))[1].observation().update.vector()
    recording = read(run())[1]
    ciphertext = recording.payload[CIPHERTEXT].numpy().tobytes()
    (key,) = (tmp_path / "truth").glob("ckks-*.key")
    assert key.stat().st_mode & 0o077 == 0
    opened = torch.tensor(ckks.decrypted(key.read_bytes(), ciphertext))
    torch.testing.assert_close(opened[:-1].float() / opened[-1].float(), update, rtol=0, atol=1e-6)
    other = ckks.decrypted(ckks.new_key(HomomorphicAggregation()), ciphertext)
    assert np.abs(other).max() > 1e6


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "cohort"), [("masked", (0, 2)), ("unmask", (0, 1, 2))])
def test_a_dropout_costs_nobody_else_the_round(run: Run, stage: str, cohort: tuple[int, ...]) -> None:
    report = run(dropouts=[{"client": 1, "round": 1, "stage": stage}])
    assert read(report)[-1].cohort == cohort
    assert all(failure.planned for failure in report.failures)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("leaving", "stage", "words"),
    [((0, 1), "masked", "a sum over one is none"), ((0, 1, 2), "unmask", "opens their sum")],
)
def test_what_is_no_sum_or_is_not_opened_is_a_lost_round(
    run: Run, leaving: tuple[int, ...], stage: str, words: str
) -> None:
    report = run(rounds=2, dropouts=[{"client": client, "round": 1, "stage": stage} for client in leaving])
    assert [(one.round, one.kind) for one in read(report)][-1] == (2, "aggregate")
    assert words in report.failures[-1].reason


def test_what_would_overflow_is_refused(run: Run) -> None:
    with pytest.raises(ConfigError, match="lower scale_bits"):
        run(learning_rate=1e30)


def test_what_is_no_ciphertext_is_a_sentence(run: Run) -> None:
    defense = HomomorphicAggregation()
    with pytest.raises(FederationError, match="cannot be added up"):
        ckks.added(defense, [b"tea", b"milk"])
    with pytest.raises(FederationError, match="expected a ciphertext"):
        ckks.decrypted(ckks.new_key(defense), b"tea")
    with pytest.raises(ConfigError, match="TenSEAL refuses"):
        ckks.new_key(HomomorphicAggregation(poly_modulus_degree=4096, coeff_mod_bit_sizes=(60, 60, 60)))


def test_without_tenseal_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tenseal", None)
    with pytest.raises(ConfigError, match=r'pip install "fedleak\[homomorphic\]"'):
        federated(tmp_path, CHAIN)
