"""Mods: the numbers of Flower's own are read, and what each says against a curious server."""

import math

import pytest
import torch
from flwr.clientapp import ClientApp
from flwr.clientapp.mod import LocalDpMod, fixedclipping_mod

from fedleak.audit.mods import Mod, mods_of


def own_mod(message, context, call):
    return call(message, context)


def test_mods_are_known_by_name_and_numbers() -> None:
    first, second, third = mods_of(ClientApp(mods=[LocalDpMod(1.5, 0.1, 2.0, 1e-5), fixedclipping_mod, own_mod]))
    assert first.noise == pytest.approx(0.1 * math.sqrt(2 * math.log(1.25e5)) / 2)
    assert first.options["clipping_norm"] == 1.5
    assert "without it" in second.says
    assert "not one of Flower's" in third.says
    assert third.noise == 0.0
    assert mods_of(ClientApp()) == ()


def test_a_change_is_clipped_as_one_vector() -> None:
    mod = Mod("LocalDpMod", {"clipping_norm": 1.0, "sensitivity": 1.0, "epsilon": 1.0, "delta": 0.1})
    before = {"a": torch.zeros(2), "b": torch.ones(1)}
    after = {"a": torch.tensor([3.0, 0.0]), "b": torch.tensor([5.0])}
    clipped = mod.clipped(before, after)
    assert clipped["a"].tolist() == pytest.approx([0.6, 0.0])
    assert clipped["b"].tolist() == pytest.approx([1.8])


def test_a_mod_of_the_app_s_own_is_not_taken_for_flower_s() -> None:
    def secaggplus_mod(message, context, call):
        return call(message, context)

    class LocalDpMod:
        def __call__(self, message, context, call):
            return call(message, context)

    for mod in mods_of(ClientApp(mods=[secaggplus_mod, LocalDpMod()])):
        assert "not one of Flower's" in mod.says
        assert not mod.masks
        assert mod.noise == 0.0
