import pytest
import torch

from fedleak.dp_audit.canaries import Canaries
from fedleak.errors import ConfigError

SIZES = (40, 4, 20)


@pytest.mark.parametrize("layout", ["whole", "layers", "layer", "apart"])
def test_directions_have_norm_one_and_are_scored_as_long_as_they_are(layout):
    canaries = Canaries(count=5, sizes=SIZES, norm=3.0, seed=1, layout=layout)
    for canary in range(5):
        assert float(canaries.direction(canary).norm()) == pytest.approx(1)
        signed = canaries.sign(canary, 2) * canaries.score(canary, canaries.contribution(canary, 2))
        assert signed == pytest.approx(3)


def test_a_layout_says_where_the_norm_is():
    def norms(layout):
        direction = Canaries(count=1, sizes=SIZES, norm=1.0, seed=1, layout=layout).direction(0)
        return [float(part.norm()) ** 2 for part in torch.split(direction, SIZES)]

    assert norms("layers") == pytest.approx([1 / 3] * 3)
    assert norms("layer") == pytest.approx([1, 0, 0])
    assert norms("whole") == pytest.approx([size / 64 for size in SIZES])


def test_canaries_apart_are_read_off_their_sum():
    canaries = Canaries(count=7, sizes=SIZES, norm=2.0, seed=3, layout="apart")
    total = torch.stack([canaries.contribution(canary, 1) for canary in range(7)]).sum(0)
    scores = canaries.scores(total)
    assert scores.tolist() == pytest.approx([2.0 * canaries.sign(canary, 1) for canary in range(7)])
    assert torch.allclose(canaries.along(scores), total)


def test_coins_are_fair_and_of_their_own():
    canaries = Canaries(count=400, sizes=SIZES, norm=1.0, seed=4)
    signs = torch.tensor([[canaries.sign(canary, round) for round in (1, 2)] for canary in range(400)]).double()
    assert abs(float(signs.mean())) < 0.12
    assert abs(float((signs[:, 0] * signs[:, 1]).mean())) < 0.15


def test_more_canaries_than_entries_is_one_sentence():
    with pytest.raises(ConfigError, match="at most as many canaries as the update has entries, 64"):
        Canaries(count=65, sizes=SIZES, norm=1.0, seed=0, layout="apart")
