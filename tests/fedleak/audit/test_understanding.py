"""Understanding: noise is told from what was not seen, and personal layers from those that are sent."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

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
    shared = {name for name in update.sent if not name.startswith("3.")}
    update = replace(update, **{side: {n: getattr(update, side)[n] for n in shared} for side in ("sent", "received")})
    known = understood(update)
    assert (known.verdict, known.kept) == ("understood", ("3.bias", "3.weight"))
    lie = {name: value + 1e-3 for name, value in update.received.items()}
    assert understood(replace(update, received=lie)).verdict == "not understood"


def test_what_a_reply_has_besides_is_not_passed_over(seen) -> None:
    update = seen(one_step, mlp())
    for other in (
        replace(update, received={**update.received, "mine": torch.ones(3)}),
        replace(update, more=("mine",)),
    ):
        known = understood(other)
        assert known.verdict == "not understood"
        assert "which nothing explains: 'mine'" in known.reasons[0]


def test_a_reply_in_a_form_of_its_own_is_not_understood(seen) -> None:
    """Packed by a mod that compresses, say, or without some of what was sent."""
    update = seen(one_step, mlp())
    packed = {name: value.flatten()[:3] for name, value in update.received.items()}
    known = understood(replace(update, received=packed))
    assert known.verdict == "not understood"
    assert "'1.weight' comes back in shape (3,), and has another in the network" in known.reasons[0]
    assert "is not in the reply" in understood(replace(update, received={})).reasons[0]


def test_training_that_began_elsewhere_is_said(seen) -> None:
    update = seen(one_step, mlp())
    known = understood(replace(update, sent={**update.sent, "3.bias": update.sent["3.bias"] + 1}))
    assert known.verdict == "not understood"
    assert "training did not begin with the state that was sent: '3.bias' was another" in known.reasons[0]


def test_an_update_of_anything_is_no_noise_of_a_mod(seen) -> None:
    """Neither of another size, nor in one array alone, nor what is no number."""
    update = noised(seen(one_step, mlp()), DP, DP.noise)
    rng = torch.Generator().manual_seed(2)
    anything = {name: torch.randn(value.shape, generator=rng) for name, value in update.received.items()}
    other = 2 * DP.noise * torch.randn(5, 16, generator=rng)
    louder = {**update.received, "3.weight": update.received["3.weight"] + other}
    nothing = {name: torch.full_like(value, torch.nan) for name, value in update.received.items()}
    for received in (anything, louder, nothing):
        known = understood(replace(update, received=received))
        assert known.verdict == "not understood"
    assert "it is not that alone" in known.reasons[0]


def test_a_counter_of_batches_does_not_hide_that_weights_are_others(seen) -> None:
    """A penalty that was not seen, at a rate so low that all changes are small beside the one of the counter."""

    def slowly(network, inputs, labels):
        network.train()
        optimizer = torch.optim.SGD(network.parameters(), lr=1e-6)
        penalty = sum(value.pow(4).sum() for value in network.parameters())
        (functional.cross_entropy(network(inputs), labels) + 1e-2 * penalty).backward()
        optimizer.step()

    known = understood(seen(slowly))
    assert known.verdict == "not understood"
    assert "something in it was not seen" in known.reasons[0]


def privately(noise_multiplier, change=lambda optimizer: None, norm=0.5, clipping="flat"):
    def train(network, inputs, labels):
        opacus = pytest.importorskip("opacus")
        loader = DataLoader(TensorDataset(inputs, labels), batch_size=3)
        network, optimizer, loader = opacus.PrivacyEngine().make_private(
            module=network.train(), optimizer=torch.optim.SGD(network.parameters(), lr=0.1), data_loader=loader,
            noise_multiplier=noise_multiplier, max_grad_norm=norm, poisson_sampling=False, clipping=clipping,
        )  # fmt: skip
        for images, targets in loader:
            optimizer.zero_grad()
            functional.cross_entropy(network(images), targets).backward()
            change(network)
            optimizer.step()

    return train


@pytest.mark.filterwarnings("ignore")
def test_noise_of_opacus_is_told_from_what_was_not_seen(seen) -> None:
    known = understood(seen(privately(0.8), mlp()))
    assert (known.verdict, known.replay_apart) == ("understood but for noise", 0.0)
    assert known.noise == pytest.approx(0.8 * 0.5 / 3)

    def other(network):
        for value in network.parameters():
            value.grad_sample = 0.01 * value.grad_sample - 1

    unlike = understood(seen(privately(1e-3, other), mlp()))
    assert unlike.verdict == "not understood"
    assert "it is not that alone" in unlike.reasons[0]

    update = seen(privately(0.8), mlp())
    lie = {name: value + torch.ones_like(value) for name, value in update.received.items()}
    assert understood(replace(update, received=lie)).verdict == "not understood"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("norm", "clipping"), [(0.5, "flat"), ([0.1, 0.2, 0.3, 0.4], "per_layer")])
@pytest.mark.parametrize("multiplier", [0.0, 0.8])
def test_dp_sgd_is_done_again_with_and_without_noise_and_layer_by_layer(seen, norm, clipping, multiplier) -> None:
    update = seen(privately(multiplier, norm=norm, clipping=clipping), mlp())
    known = understood(update)
    assert known.replay_apart == 0.0, known.reasons
    assert known.verdict == ("understood but for noise" if multiplier else "understood")
    assert not any(step.done for step in update.training.steps)  # its clipping is not clip_grad_norm_

    def other(network):
        for value in network.parameters():
            value.grad_sample = 1.001 * value.grad_sample

    if not multiplier and clipping == "per_layer":
        lie = understood(seen(privately(0.0, other, [1e3] * 4, clipping), mlp()))
        assert "has more in it than was seen" in lie.reasons[0]
