"""Slices: nobody shares a parameter, and the weighted mean of what is sent is what was to be written."""

import torch

from fedleak.randomness import generator
from fedleak.tamperings.parts.slices import Slices, flat, with_flat
from fedleak.tasks import initial_weights


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
