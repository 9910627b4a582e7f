"""Larger batches: what is recorded is what clients did."""

from pathlib import Path

import pytest

from fedleak.contracts.chain import Chain
from fedleak.defenses.larger_batches import LargerBatches
from fedleak.errors import ConfigError
from fedleak.federation.engine import run_federation
from fedleak.federation.plan import FederationPlan
from fedleak.recording.files import read_recording
from fedleak.settings.base import parse_settings
from fedleak.settings.federation import FederationSettings
from fedleak.vault.batches import withdraw


def test_the_recording_says_what_clients_trained_on(tmp_path: Path) -> None:
    tree = {
        "task": "digits-mlp",
        "federation": {"clients": 2, "batch_size": 3, "batches": 2},
        "chain": [{"use": "larger-batches", "times": 4}],
        "recordings": str(tmp_path / "recordings"),
        "vault": str(tmp_path / "vault"),
    }
    for path in run_federation(parse_settings(FederationPlan, tree)).recordings:
        recording = read_recording(path)
        assert recording.training.batch_size == 12
        assert recording.training.steps == 2
        assert recording.num_examples == 24
        truth = withdraw(tmp_path / "vault", 1, recording.cohort[0])
        assert len(truth.examples) == 24
        assert truth.training == recording.training


def test_one_time_changes_nothing_and_two_in_a_chain_multiply() -> None:
    federation = FederationSettings(batch_size=3)
    assert LargerBatches(times=1).settings(federation) == federation
    assert Chain((LargerBatches(times=2), LargerBatches(times=5))).settings(federation).batch_size == 30


def test_no_batch_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"chain.0.times: expected greater than or equal to 1, got 0"):
        Chain.build(({"use": "larger-batches", "times": 0},))
