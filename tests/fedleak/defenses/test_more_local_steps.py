"""More local steps: what is recorded is what clients did."""

from pathlib import Path

import pytest

from fedleak.defenses.more_local_steps import MoreLocalSteps
from fedleak.errors import ConfigError
from fedleak.federation.engine import run_federation
from fedleak.federation.plan import FederationPlan
from fedleak.recording.files import read_recording
from fedleak.settings.base import parse_settings
from fedleak.settings.federation import FederationSettings
from fedleak.vault.batches import withdraw
from fedleak.verification.verify import verify


def test_the_recording_says_how_often_clients_went_over_their_examples(tmp_path: Path) -> None:
    tree = {
        "task": "digits-mlp",
        "federation": {"clients": 2, "batch_size": 3, "batches": 2, "epochs": 2},
        "chain": [{"use": "more-local-steps", "times": 3}],
        "recordings": str(tmp_path / "recordings" / "more"),
        "vault": str(tmp_path / "vault" / "more"),
    }
    for path in run_federation(parse_settings(FederationPlan, tree)).recordings:
        recording = read_recording(path)
        assert recording.training.epochs == 6
        assert recording.training.steps == 12
        assert recording.num_examples == 6
        assert withdraw(tmp_path / "vault" / "more", 1, recording.cohort[0]).training == recording.training
    assert [check.verdict for check in verify(tmp_path)] == ["agrees", "agrees"]


def test_one_time_changes_nothing() -> None:
    federation = FederationSettings(epochs=3)
    assert MoreLocalSteps(times=1).settings(federation) == federation


def test_more_steps_than_anyone_waits_for_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"more-local-steps: .*local steps a round"):
        MoreLocalSteps(times=10_000).settings(FederationSettings(epochs=10_000))
