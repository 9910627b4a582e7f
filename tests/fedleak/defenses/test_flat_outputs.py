"""Flat outputs: the confidence penalty."""

import pytest
import torch
from torch import nn

from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import defenses
from fedleak.defenses.flat_outputs import PenalizedConfidence
from fedleak.errors import ConfigError
from fedleak.learning.batch import Batch
from fedleak.learning.loss import CrossEntropy, SquaredError
from fedleak.learning.task import Task
from fedleak.learning.training import LocalTraining, train_locally
from fedleak.randomness import generator, seeded
from fedleak.tasks import weights_of


@pytest.fixture
def task() -> Task:
    with seeded("flat outputs"):
        network = nn.Sequential(nn.Flatten(), nn.Linear(36, 16), nn.ReLU(), nn.Linear(16, 4))
    return Task("tiny-mlp", network, (1, 6, 6), 4)


def flat(beta: float, task: Task) -> Task:
    return Chain((defenses.build("flat-outputs", {"beta": beta}),)).task(task)


SCORES = torch.randn(30, 4, generator=generator("scores"), dtype=torch.float64)
LABELS = torch.arange(30) % 4


def test_the_loss_is_cross_entropy_minus_beta_times_the_entropy() -> None:
    entropy = torch.distributions.Categorical(logits=SCORES).entropy()
    wanted = CrossEntropy().each(SCORES, LABELS) - 0.3 * entropy
    assert torch.allclose(PenalizedConfidence(beta=0.3).each(SCORES, LABELS), wanted)


@pytest.mark.parametrize("beta", [0.1, 1.0])
def test_its_derivative_is_what_labels_are_taken_off(beta: float) -> None:
    criterion = PenalizedConfidence(beta=beta)
    slopes = criterion.derivative(SCORES, LABELS)
    assert torch.allclose(slopes, criterion.activation(SCORES) - nn.functional.one_hot(LABELS, 4), atol=1e-12)
    assert torch.allclose(slopes.sum(1), torch.zeros(30, dtype=torch.float64), atol=1e-12)
    counts = torch.bincount(LABELS, minlength=4) / 30
    found = criterion.shares(criterion.activation(SCORES).mean(0), slopes.mean(0), 30)
    assert torch.allclose(found, counts.double(), atol=1e-12)


def test_a_model_trained_so_is_less_sure_and_as_right(task: Task) -> None:
    patterns = torch.rand(4, 1, 6, 6, generator=generator("patterns"))
    labels = torch.arange(200) % 4
    noise = torch.rand(200, 1, 6, 6, generator=generator("noise"))
    batch = Batch(0.4 * patterns[labels] + 0.6 * noise, labels)
    training = LocalTraining(batch_size=20, batches=10, epochs=10, learning_rate=0.2, momentum=0.9)

    def answers(trained: Task) -> torch.Tensor:
        after = train_locally(trained, weights_of(trained.network), batch, training, ("flat",))
        return trained.logits(after, batch.inputs, mode="eval").softmax(1)

    plain, penalized = answers(task), answers(flat(1.0, task))
    assert penalized.amax(1).mean() < 0.8 < plain.amax(1).mean()
    assert (penalized.argmax(1) == labels).float().mean() > 0.95


def test_without_a_weight_it_trains_as_usual(task: Task) -> None:
    assert flat(0.0, task) == task


def test_another_loss_is_refused_in_a_sentence(task: Task) -> None:
    for criterion in (SquaredError(), CrossEntropy(label_smoothing=0.1)):
        other = Task("other", task.network, task.shape, 4, criterion=criterion)
        with pytest.raises(ConfigError, match="'flat-outputs' penalizes plain cross-entropy, and 'other' minimizes"):
            flat(0.1, other)
