"""The generator: scores are log-likelihoods of image and class, and only its own loss trains it."""

import pytest
import torch

from fedleak.contracts.model import Generates, models
from fedleak.data.splits import load
from fedleak.errors import ConfigError
from fedleak.learning.likelihood import Likelihood
from fedleak.learning.training import LocalTraining, train_locally
from fedleak.settings.task import TaskSettings
from fedleak.tasks import task_of, weights_of

TASK = TaskSettings(data="digits", network="generator", loss="likelihood")


def test_scores_differ_by_what_is_known_of_the_class_alone() -> None:
    network = models.build("generator", {}).network((1, 8, 8), 10).eval()
    scores = network(torch.rand(5, 1, 8, 8)) * 64
    bound = scores.logsumexp(1)
    torch.testing.assert_close((scores - bound[:, None]).exp().sum(1), torch.ones(5))
    assert (bound < 0).all()


def test_the_loss_is_minus_the_score_of_the_class() -> None:
    scores, labels = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 0, 1])
    expected = -scores[torch.arange(6), labels].mean()
    torch.testing.assert_close(Likelihood().mean(scores, labels), expected)


def test_training_makes_what_it_draws_look_like_what_it_saw() -> None:
    task, examples = task_of(TASK), load("digits-mlp").clients
    ones = examples[(examples.labels == 0).nonzero()[:60, 0]]
    assert isinstance(task.network, Generates)
    latents = torch.randn(50, task.network.latent)
    before = weights_of(task.network)
    training = LocalTraining(batch_size=10, batches=6, epochs=15, learning_rate=0.1, momentum=0.9)
    after = train_locally(task, before, ones, training, ("generator",))
    errors = []
    for weights in (before, after):
        own = {name.removeprefix("decoder."): one for name, one in weights.parameters.items() if "decoder" in name}
        images = torch.func.functional_call(task.network.decoder, own, (latents,))
        errors.append(float((images.mean(0) - ones.inputs.mean(0).flatten()).square().mean()))
    assert errors[1] < errors[0] / 4


@pytest.mark.parametrize("task", ["digits-generator", TaskSettings(data="digits", network="generator")])
def test_another_loss_is_refused(task) -> None:
    with pytest.raises(ConfigError, match="network 'generator' is trained by its likelihood, got cross-entropy; write"):
        task_of(task)
