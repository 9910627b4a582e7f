"""InstaHide: mixtures with the signs of their pixels flipped."""

import pytest
import torch

from fedleak.contracts.defense import defenses
from fedleak.errors import ConfigError
from fedleak.learning.batch import Batch
from fedleak.randomness import generator
from fedleak.settings.federation import FederationSettings
from fedleak.tasks import task_of

TASK = task_of("digits-mlp")


def batch(count: int) -> Batch:
    inputs = torch.rand(count, *TASK.shape, generator=generator("images"))
    return Batch(inputs, torch.arange(count) % TASK.classes)


def hidden(count: int, **options: float) -> Batch:
    return defenses.build("instahide", options).examples(TASK, batch(count), generator(0))


def test_up_to_signs_about_gray_it_is_the_mixture_that_the_labels_say() -> None:
    examples, encoded = batch(10), hidden(10)
    mixture = torch.einsum("bk,kchw->bchw", encoded.labels, examples.inputs)
    torch.testing.assert_close((encoded.inputs - 0.5).abs(), (mixture - 0.5).abs())


def test_half_of_the_signs_are_flipped() -> None:
    examples, encoded = batch(10), hidden(10)
    mixture = torch.einsum("bk,kchw->bchw", encoded.labels, examples.inputs)
    same = torch.isclose(mixture, encoded.inputs, atol=1e-6)
    assert same.float().mean() == pytest.approx(0.5, abs=0.07)


def test_where_nothing_is_mixed_it_is_refused() -> None:
    with pytest.raises(ConfigError, match="mixed"):
        defenses.build("instahide", {"mixed": 1})
    with pytest.raises(ConfigError, match="one batch of one example has none to mix"):
        defenses.build("instahide", {}).settings(FederationSettings(batch_size=1, batches=1))


def test_coefficients_have_the_sum_one_and_none_is_too_large() -> None:
    labels = hidden(10, mixed=6, largest=0.4).labels
    torch.testing.assert_close(labels.sum(1), torch.ones(10))
    coefficients = defenses.build("instahide", {"mixed": 2, "largest": 0.51})._coefficients(500, generator(1))  # type: ignore[attr-defined]
    torch.testing.assert_close(coefficients.sum(0), torch.ones(500))
    assert coefficients.max() <= 0.51 + 1e-6
    assert coefficients.min() >= 0


def test_inputs_stay_between_black_and_white() -> None:
    low, high = hidden(50).inputs.aminmax()
    assert low >= 0
    assert high <= 1


def test_coefficients_that_cannot_have_the_sum_one_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"take more than 0\.5, or mix more images"):
        defenses.build("instahide", {"mixed": 2, "largest": 0.5}).require(TASK)
