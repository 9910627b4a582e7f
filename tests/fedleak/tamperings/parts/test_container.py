"""Container: examples come back as they were quantised, within what is promised, and noise is none."""

import pytest
import torch
from torch import Tensor

from fedleak.learning.images import Images
from fedleak.randomness import generator
from fedleak.tamperings.parts.container import Container

SPACE = Images(1, 8, 8)
NOISE = torch.rand(20, 1, 8, 8, generator=generator("noise"))
FLAT = torch.full((20, 1, 8, 8), 0.25)


@pytest.mark.parametrize("depth", [1, 4, 5, 8])
@pytest.mark.parametrize("images", [NOISE, FLAT], ids=["noise", "flat"])
def test_examples_come_back_as_they_were_quantised(depth: int, images: Tensor) -> None:
    container = Container(space=SPACE, depth=depth)
    exact = container.exact(images)
    assert torch.equal(container.unpacked(container.packed(images) + bytes(50)), exact)
    assert float((exact - images).abs().max()) <= 0.5 / (2**depth - 1) + 1e-6


def test_what_is_certain_to_fit_does() -> None:
    container = Container(space=SPACE, depth=4)
    assert len(container.packed(NOISE)) <= container.certain(20)
    most = container.most(container.certain(20))
    assert most == 20
    assert container.most(container.certain(20) - 1) == 19
    assert container.most(3) == 0


def test_more_fit_once_they_are_compressed() -> None:
    container = Container(space=SPACE, depth=8)
    room = container.certain(5)
    assert container.fitting(NOISE, room) == 5
    assert container.fitting(FLAT, room) == 20
    assert len(container.packed(NOISE[:5])) <= room < len(container.packed(NOISE[:6]))


def test_in_front_of_damage_examples_come_back() -> None:
    container = Container(space=SPACE, depth=8)
    images = (NOISE * 4).round() / 4  # compressible
    data = bytearray(container.packed(images))
    data[len(data) // 2] ^= 0xFF
    found = container.unpacked(bytes(data))
    right = (found[: len(images)] == container.exact(images)[: len(found)]).flatten(1).all(1)
    assert 0 < int(right.sum()) < 20


def test_noise_is_no_container() -> None:
    container = Container(space=SPACE, depth=8)
    for seed in range(50):
        data = bytes(torch.randint(256, (300,), generator=generator("bytes", seed)).tolist())
        assert not len(container.unpacked(data))
    assert not len(container.unpacked(b""))
