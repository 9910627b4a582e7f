"""Per-record gradients: whitened inner products, and sketches that keep them."""

import torch

from fedleak.attacks.parts.records.gradients import LONGEST, Sketch, Whitened
from fedleak.randomness import generator


def test_whitening_is_the_inverse_of_the_second_moment():
    public, many, other = (torch.randn(*shape, generator=generator(str(shape))) for shape in ((7, 5), (3, 5), (5,)))
    product = Whitened.by(public, 0.1)
    ridge = 0.1 * float(public.square().sum()) / 7**2
    inverse = torch.linalg.inv((public.T @ public / 7 + ridge * torch.eye(5)).double())
    expected = (many.double() @ inverse @ other.double()) / torch.einsum("ij,jk,ik->i", many.double(), inverse,
                                                                        many.double()).sqrt()  # fmt: skip
    ratio = product.cosines(many, other) / expected
    assert torch.allclose(ratio, ratio[0].expand(3), rtol=1e-4)


def test_without_public_gradients_it_is_the_plain_cosine():
    many, other = torch.randn(4, 6, generator=generator(1)), torch.randn(6, generator=generator(2))
    found = Whitened.by(torch.zeros(0, 6), 0.01).cosines(many, other)
    assert torch.allclose(found / other.norm(), torch.cosine_similarity(many, other[None]).double(), atol=1e-6)


def test_a_sketch_keeps_inner_products():
    entries = 2 * LONGEST
    one, two = (torch.randn(entries, generator=generator(seed)) for seed in (1, 2))
    sketch = Sketch.of(entries, generator(3))
    short, other = sketch({"w": one}), sketch({"w": one + two})
    assert len(short) == LONGEST
    assert abs(float(short @ other - one @ (one + two))) < 5 * float(one.norm() * (one + two).norm()) / LONGEST**0.5
    assert torch.equal(Sketch.of(10, generator(3))({"w": torch.arange(10.0)}), torch.arange(10.0))
