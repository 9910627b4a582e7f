"""Understanding: noise is told from what was not seen, and personal layers from those that are sent."""

from dataclasses import replace

import torch
from torch import nn
from torch.nn import functional

from fedleak.audit.mods import Mod
from fedleak.audit.understanding import understood

DP = Mod("LocalDpMod", {"clipping_norm": 0.05, "sensitivity": 1e-3, "epsilon": 10.0, "delta": 1e-5})


def one_step(network, inputs, labels):
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    functional.cross_entropy(network(inputs), labels).backward()
    optimizer.step()


def mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 16), nn.Sigmoid(), nn.Linear(16, 5))


def noised(update, mod, std):
    rng = torch.Generator().manual_seed(1)
    clipped = mod.clipped(update.sent, update.received)
    noisy = {name: value + std * torch.randn(value.shape, generator=rng) for name, value in clipped.items()}
    return replace(update, received=noisy, mods=(mod,))


def test_what_a_mod_adds_is_noise(seen) -> None:
    known = understood(noised(seen(one_step, mlp()), DP, DP.noise))
    assert known.verdict == "understood but for noise"
    assert abs(known.noise / DP.noise - 1) < 0.1


def test_the_same_noise_without_a_mod_is_not_understood(seen) -> None:
    update = noised(seen(one_step, mlp()), DP, DP.noise)
    assert understood(replace(update, mods=())).verdict == "not understood"


def test_what_follows_the_change_is_no_noise(seen) -> None:
    update = seen(one_step, mlp())
    other = {name: update.sent[name] + 3 * (value - update.sent[name]) for name, value in update.received.items()}
    known = understood(replace(update, received=other, mods=(Mod(DP.name, {**DP.options, "clipping_norm": 1e9}),)))
    assert known.verdict == "not understood"
    assert "follows the change" in known.reasons[0]


def test_a_layer_that_stays_with_the_client_is_named(seen) -> None:
    update = seen(one_step, mlp())
    shared = {name: value for name, value in update.sent.items() if not name.startswith("3.")}
    known = understood(replace(update, sent=shared))
    assert known.verdict == "not understood"
    assert "'3.bias' of the network is not in the message (2 such arrays)" in known.reasons[0]


def test_training_that_began_elsewhere_is_said(seen) -> None:
    update = seen(one_step, mlp())
    known = understood(replace(update, sent={**update.sent, "3.bias": update.sent["3.bias"] + 1}))
    assert known.verdict == "not understood"
    assert "training did not begin with the state that was sent: '3.bias' was another" in known.reasons[0]
