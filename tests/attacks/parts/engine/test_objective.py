"""Both ways to differentiate an objective."""

import pytest
import torch

from fedleak.attacks.parts.engine.distances import cosine
from fedleak.attacks.parts.engine.gradient_match import GradientMatch, pixels_and_labels
from fedleak.attacks.parts.engine.objective import by_autograd, by_function


def test_both_ways_to_differentiate_agree(smooth_task, observe, batch_of):
    batch = batch_of(smooth_task, 2)
    objective = GradientMatch.of(
        observe(smooth_task, batch), cosine, pixels_and_labels(smooth_task), dtype=torch.float64
    )
    variables = {"inputs": batch.inputs.double(), "labels": torch.zeros(2, 4, dtype=torch.float64)}
    one, other = (objective.loss(variables, way).item() for way in (by_autograd, by_function))
    assert one == pytest.approx(other, rel=1e-10)
