"""What a forward pass shows comes out of the gradient, and changes nothing else."""

import pytest
import torch

from fedleak.attacks.parts.engine.distances import cosine
from fedleak.attacks.parts.engine.feature_inversion import and_penalty, one_step_and, zero_probes
from fedleak.attacks.parts.engine.gradient_match import Dummy, GradientMatch, one_step, pixels
from fedleak.attacks.parts.engine.objective import by_autograd, by_function


@pytest.mark.parametrize("gradient", [by_autograd, by_function])
def test_a_probe_shows_the_loss_and_leaves_the_gradient_alone(gradient, smooth_task, observe, batch_of):
    batch = batch_of(smooth_task, 2)
    objective = GradientMatch.of(observe(smooth_task, batch), cosine, pixels(batch.labels), dtype=torch.float64)
    dummy = Dummy(batch.inputs.double(), batch.labels, {})
    simulate = one_step_and(lambda loss: [loss], zero_probes([()], torch.float64, "cpu"))
    plain = one_step(objective.model, dummy, gradient)
    *probed, shown = simulate(objective.model, dummy, gradient)
    assert all(torch.allclose(one, other) for one, other in zip(plain, probed, strict=True))
    loss = objective.model.loss(objective.model.weights.parameters, dummy.inputs, dummy.labels)
    assert shown.item() == pytest.approx(loss.item())


def test_what_is_shown_can_be_differentiated(smooth_task, observe, batch_of):
    batch = batch_of(smooth_task, 1)
    distance = and_penalty(lambda observed: lambda gradients: torch.zeros(()).double(), lambda shown: shown[0], 1.0)
    simulate = one_step_and(lambda loss: [loss], zero_probes([()], torch.float64, "cpu"))
    objective = GradientMatch.of(
        observe(smooth_task, batch), distance, pixels(batch.labels), simulate=simulate, dtype=torch.float64
    )
    inputs = batch.inputs.double().requires_grad_()
    (slope,) = torch.autograd.grad(objective.loss({"inputs": inputs}, by_autograd), inputs)
    parameters = objective.model.weights.parameters
    (direct,) = torch.autograd.grad(objective.model.loss(parameters, inputs, batch.labels), inputs)
    assert torch.allclose(slope, direct)
