"""Layers that are not shared: they never leave a client, who trains and keeps its own."""

from pathlib import Path
from typing import Any

import pytest
import torch

from fedleak.api import capture
from fedleak.attacks.label_inference.auto_labels import AutoLabels
from fedleak.contracts.chain import Chain
from fedleak.data.splits import load
from fedleak.defenses.withhold import Withhold
from fedleak.errors import ConfigError
from fedleak.federation.engine import run_federation
from fedleak.federation.outcome import FederationReport
from fedleak.federation.plan import FederationPlan
from fedleak.federation.reply import reply
from fedleak.learning.task import mean_loss
from fedleak.learning.weights import Weights
from fedleak.randomness import generator
from fedleak.recording.files import read_recording
from fedleak.recording.recording import Recording
from fedleak.settings.base import parse_settings
from fedleak.tasks import task_of
from fedleak.vault.batches import withdraw
from fedleak.verification.verify import verify

HEAD = {"use": "withhold", "layers": ["3.*"]}
OWN = ("3.weight", "3.bias")


def run(folder: Path, *more: dict[str, Any], task: str = "digits-mlp", **federation: Any) -> FederationReport:
    tree = {
        "task": task,
        "federation": {"clients": 2, "batch_size": 4, **federation},
        "chain": [HEAD, *more],
        "recordings": str(folder / "recordings" / "own"),
        "vault": str(folder / "vault" / "own"),
    }
    return run_federation(parse_settings(FederationPlan, tree))


def read(report: FederationReport) -> list[Recording]:
    return [read_recording(path) for path in report.recordings]


def test_withheld_tensors_come_back_as_they_were_sent_and_the_others_do_not(tmp_path: Path) -> None:
    for recording in read(run(tmp_path, rounds=2)):
        for name, value in recording.before.parameters.items():
            assert torch.equal(recording.payload[name], value) is (name in OWN)
        assert not any(recording.observation().update.tensors[name].any() for name in OWN)
    assert [check.verdict for check in verify(tmp_path)] == ["agrees"] * 4


def test_a_client_goes_on_from_its_own_layers(tmp_path: Path) -> None:
    recordings = read(run(tmp_path, rounds=3))
    for client in (0, 1):
        mine = [one for one in recordings if one.cohort == (client,)]
        truths = [withdraw(tmp_path / "vault" / "own", one.round, client) for one in mine]
        assert not truths[0].kept
        for one, truth, later in zip(mine, truths, truths[1:], strict=False):
            again = reply(one.task, one.before, truth.examples, truth.training, one.chain, truth.seed_key, truth.kept)
            for name in OWN:
                assert torch.equal(again.kept[f"own/{name}"], later.kept[f"own/{name}"])
                started = truth.kept.get(f"own/{name}", one.before.parameters[name])
                assert not torch.equal(later.kept[f"own/{name}"], started)
    kept = [withdraw(tmp_path / "vault" / "own", 2, client).kept["own/3.weight"] for client in (0, 1)]
    assert not torch.equal(*kept)


def test_evaluation_uses_the_client_s_own_layers(tmp_path: Path) -> None:
    report = run(tmp_path, rounds=2, clients=1, fraction_evaluate=1.0, batch_size=64, learning_rate=0.5)
    last = read(report)[-1]
    truth = withdraw(tmp_path / "vault" / "own", 2, 0)
    sent = reply(last.task, last.before, truth.examples, truth.training, last.chain, truth.seed_key, truth.kept)
    state = {**sent.weights.parameters, **{name: sent.kept[f"own/{name}"] for name in OWN}}
    test = load("digits-mlp").test
    loss, accuracy = mean_loss(last.task, Weights(state, {}), test)
    assert report.evaluation[2]["accuracy"] == pytest.approx(accuracy, abs=1e-6)
    assert report.evaluation[2]["loss"] == pytest.approx(loss, rel=1e-5)
    assert loss != pytest.approx(mean_loss(last.task, sent.weights, test)[0], rel=1e-2)


@pytest.mark.slow
def test_masked_sums_are_the_clear_sums(tmp_path: Path) -> None:
    clear = read(run(tmp_path / "clear", rounds=2))
    *_, aggregate = read(run(tmp_path / "masked", {"use": "secure-aggregation"}, rounds=2))
    mean = sum(one.observation().update.vector() for one in clear[2:]) / 2
    torch.testing.assert_close(aggregate.observation().update.vector().float(), mean, rtol=0, atol=1e-6)
    for name in OWN:
        assert torch.equal(aggregate.state[name].float(), aggregate.before.parameters[name])
    assert {check.verdict for check in verify(tmp_path / "masked")} == {"agrees", "masked"}


def test_buffers_can_be_named_too() -> None:
    task = task_of("photos-resnet18")
    own = Chain((Withhold(layers=("*running_mean", "fc.bias")),)).withheld(task)
    assert len(own) == 21
    assert "bn1.running_mean" in own


@pytest.mark.parametrize(
    ("layers", "sentence"),
    [
        (("fcc.*",), r"withhold: no parameter or buffer of 'photos-resnet18' matches 'fcc.\*'; did you mean 'fc.\*'\?"),
        (("fc.*", "head"), "withhold: no parameter or buffer of 'photos-resnet18' matches 'head'"),
        (("*",), "withhold: .* match every parameter of 'photos-resnet18', so that clients would share nothing"),
        (("*.weight", "*.bias"), "match every parameter"),
    ],
)
def test_a_pattern_that_matches_nothing_or_everything_is_refused(layers: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        Chain((Withhold(layers=layers),)).task(task_of("photos-resnet18"))


def test_no_label_is_made_up_where_the_last_layer_is_withheld() -> None:
    seen = capture("digits-mlp", defense=[HEAD], clients=1)[0].observation
    assert "says nothing about labels" in str(AutoLabels().run(seen, generator(0)).failure)
