"""FedBN: what belongs to BatchNorm stays with the client."""

import pytest
import torch

from fedleak.api import capture
from fedleak.contracts.chain import Chain
from fedleak.defenses.group_norm import UseGroupNorm
from fedleak.defenses.withhold_batch_norm import WithholdBatchNorm
from fedleak.errors import ConfigError
from fedleak.tasks import task_of


def test_parameters_statistics_and_counters_of_batch_norm_stay_and_nothing_else() -> None:
    own = Chain((WithholdBatchNorm(),)).withheld(task_of("photos-resnet18"))
    assert "bn1.running_mean" in own
    assert "layer2.0.downsample.1.num_batches_tracked" in own
    assert len(own) == 20 * 5
    assert not own & {"conv1.weight", "fc.weight", "fc.bias"}


def test_they_never_reach_the_server() -> None:
    for one in capture(
        "digits-bn-convnet", clients=2, rounds=2, batch_size=4, defense=[{"use": "withhold-batch-norm"}]
    ):
        seen = one.observation
        assert seen.buffers_after is None
        own = seen.defense.withheld(seen.task)
        assert own
        assert all(bool(value.any()) is (name not in own) for name, value in seen.update.tensors.items())


def test_a_network_without_batch_norm_is_refused() -> None:
    for task, chain in [("digits-mlp", ()), ("digits-bn-convnet", (UseGroupNorm(),))]:
        with pytest.raises(ConfigError, match=r"withhold-batch-norm: .* has no BatchNorm layer to withhold"):
            Chain((*chain, WithholdBatchNorm())).task(task_of(task))


def test_batch_norm_that_is_the_same_for_all_would_be_sent() -> None:
    plain = capture("digits-bn-convnet", clients=1, batch_size=4)[0].observation
    assert plain.buffers_after is not None
    assert any(torch.any(value != plain.before.buffers[name]) for name, value in plain.buffers_after.items())
