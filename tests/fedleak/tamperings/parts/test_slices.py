"""Slices: nobody shares a parameter, and the weighted mean of what is sent is what was to be written."""

import torch

from fedleak.contracts.chain import Chain
from fedleak.contracts.tampered import sent_parameters
from fedleak.contracts.tampering import Standing
from fedleak.learning.batch import Batch
from fedleak.learning.weights import Weights
from fedleak.randomness import generator
from fedleak.tamperings.parts.slices import Slices, flat, moved_alone, own_values, with_flat
from fedleak.tasks import initial_weights, task_of

TASK = task_of("digits-mlp")
SENT = sent_parameters(TASK, Chain())
SLICES = Slices(clients=3, values=500)
BEFORE = initial_weights("digits-mlp", 0)


def test_every_parameter_is_of_one_client_at_most() -> None:
    slices = Slices.widest(103, 4)
    places = torch.cat([slices.of(client) for client in range(4)])
    assert len(places) == len(set(places.tolist())) == slices.end == 100


def test_the_weighted_mean_comes_out_at_what_was_written() -> None:
    slices, weights = Slices(clients=3, values=10), (0.2, 0.3, 0.5)
    before, *trained = torch.randn(4, 40, generator=generator("weights")).unbind()
    targets = torch.randn(3, 10, generator=generator("targets"))
    sent = [
        slices.sent(client, weight, before, after, targets[client])
        for client, (weight, after) in enumerate(zip(weights, trained, strict=True))
    ]
    mean = torch.stack([weight * own.double() for weight, own in zip(weights, sent, strict=True)]).sum(0)
    for client in range(3):
        torch.testing.assert_close(mean[slices.of(client)].float(), targets[client])
    plain = torch.stack([weight * own.double() for weight, own in zip(weights, trained, strict=True)]).sum(0)
    assert torch.equal(mean[slices.end :], plain[slices.end :]), "the rest is trained by all"


def test_a_client_alone_sends_its_payload_as_it_is() -> None:
    before, after, target = torch.randn(3, 8, generator=generator("alone")).unbind()
    sent = Slices(clients=1, values=8).sent(0, 1.0, before, after, target)
    torch.testing.assert_close(sent, target, rtol=1e-6, atol=1e-6)


def test_parameters_go_into_a_vector_and_back() -> None:
    weights = initial_weights("digits-mlp", 0)
    names = tuple(weights.parameters)[1:]
    doubled = with_flat(weights, names, 2 * flat(weights.parameters, names))
    for name, value in weights.parameters.items():
        assert torch.equal(doubled.parameters[name], 2 * value if name in names else value)


def standing(client: int) -> Standing:
    share = Batch(torch.zeros(2, *TASK.shape), torch.zeros(2, dtype=torch.long))
    return Standing(task=TASK, share=share, client=client, clients=3, weight=(0.5, 0.3, 0.2)[client], sent=SENT)


def test_gradients_reach_a_clients_own_parameters_alone() -> None:
    leaves = {name: value.clone().requires_grad_() for name, value in BEFORE.parameters.items()}
    own_values(standing(1), SLICES, leaves, 20).sum().backward()
    moved = torch.cat([value.grad.flatten() for value in leaves.values() if value.grad is not None])
    assert moved.nonzero().flatten().tolist() == SLICES.of(1)[:20].tolist()


def test_in_the_mean_own_parameters_are_as_their_client_trained_them() -> None:
    after = [initial_weights("digits-mlp", seed) for seed in (1, 2, 3)]
    sent = [moved_alone(standing(client), SLICES, BEFORE, own) for client, own in enumerate(after)]

    def mean(replies: list[Weights]) -> torch.Tensor:
        rows = [flat(one.parameters, SENT) for one in replies]
        return sum((standing(c).weight * row for c, row in enumerate(rows)), torch.zeros(()))

    for client, own in enumerate(after):
        place = SLICES.of(client)
        torch.testing.assert_close(mean(sent)[place], flat(own.parameters, SENT)[place])
    torch.testing.assert_close(mean(sent)[SLICES.end :], mean(after)[SLICES.end :])
