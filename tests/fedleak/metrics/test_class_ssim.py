"""Class SSIM: the mean private example has 1, and what cannot be judged has a reason."""

import torch

from fedleak.contracts.metric import metrics
from fedleak.goals.answer import Subject, no_judges
from fedleak.goals.representatives import RepresentativeMetric
from fedleak.learning.batch import Batch
from fedleak.randomness import generator


def test_the_mean_of_the_class_has_all_its_structure_and_noise_has_less() -> None:
    metric = metrics.build("class-ssim", {})
    assert isinstance(metric, RepresentativeMetric)
    private = Batch(torch.rand(9, 1, 8, 8, generator=generator("class")), torch.zeros(9, dtype=torch.int64))
    own = Subject(label=0, private=private, blind=private.inputs[:0], known=False, judges=no_judges)
    ssim = metrics.build("ssim", {})
    mean, noise = private.inputs.mean(0), torch.rand(1, 8, 8, generator=generator("noise"))
    assert metric.per_class(mean, own) > 0.999
    truth = Batch(mean[None], torch.zeros(1, dtype=torch.int64))
    (alone,) = ssim.per_sample(Batch(noise[None], truth.labels), truth)  # type: ignore[attr-defined]
    assert abs(metric.per_class(noise, own) - alone) < 1e-6


def test_images_too_small_for_the_window_are_said_to_be() -> None:
    metric = metrics.build("class-ssim", {})
    assert isinstance(metric, RepresentativeMetric)
    small = Batch(torch.zeros(1, 1, 4, 4), torch.zeros(1, dtype=torch.int64))
    assert "6x6 or more" in str(metric.inapplicable(small))
