"""A chain at the cut: draws go by the row and not by its company, penalties add up, what has no place is refused."""

from dataclasses import dataclass

import pytest
import torch

from fedleak.contracts.at_cut import AT_CUT, require_place
from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import Defense, defenses
from fedleak.errors import ConfigError

SENT = torch.linspace(-1, 1, 24).reshape(6, 4)
ROWS = torch.tensor([7, 3, 100, 0, 12, 5])
LABELS = torch.tensor([0, 1, 0, 1, 1, 0])


def chain(*tables):
    return Chain.build(tables).at_cut


NOISE = {"use": "cut-noise", "scale": 0.5}
AT_THE_CUT = {
    "cut-noise": {"scale": 1.0},
    "nopeek": {"weight": 1.0},
    "slope-noise": {"ratio": 1.0, "max_norm": 0.5},
    "marvell": {"power": 1.0},
}


def test_these_are_all_there_are():
    assert {cls.name for cls in defenses if cls.acts_on & AT_CUT and cls.__module__.startswith("fedleak.")} == set(
        AT_THE_CUT
    )


@pytest.mark.parametrize("name", AT_THE_CUT)
def test_each_is_pure_and_leaves_what_it_is_given(name):
    cut, sent, inputs = chain({"use": name, **AT_THE_CUT[name]}), SENT.clone(), SENT[:, :2].square()
    once, again = (
        (cut.embeddings(sent, ROWS, (0,)), cut.slope(sent, LABELS, (0,)), cut.penalty(inputs, sent)) for _ in range(2)
    )
    assert all(a is b is None or torch.equal(a, b) for a, b in zip(once, again, strict=True))
    assert torch.equal(sent, SENT)
    assert once[0].shape == once[1].shape == SENT.shape


def test_an_empty_chain_leaves_everything_alone():
    assert chain().embeddings(SENT, ROWS, (0,)) is SENT
    assert chain().penalty(SENT, SENT) is None
    assert chain().slope(SENT, LABELS, (0,)) is SENT


def test_a_row_has_the_same_draws_in_whatever_company():
    whole = chain(NOISE).embeddings(SENT, ROWS, ("weights", 1))
    for chosen in ([0], [4, 0], [5, 4, 3, 2, 1, 0]):
        some = chain(NOISE).embeddings(SENT[chosen], ROWS[chosen], ("weights", 1))
        assert torch.equal(some, whole[chosen])


def test_rows_weights_and_places_in_the_chain_have_draws_of_their_own():
    noise = chain(NOISE).embeddings(torch.zeros(6, 4), ROWS, ("weights", 1))
    assert len({tuple(row) for row in noise.tolist()}) == 6
    assert not torch.isclose(noise, chain(NOISE).embeddings(torch.zeros(6, 4), ROWS, ("weights", 2))).any()
    twice = chain(NOISE, NOISE).embeddings(torch.zeros(6, 4), ROWS, ("weights", 1))
    assert not torch.isclose(twice, 2 * noise).any()


def test_parties_are_sent_slopes_with_draws_of_their_own():
    noisy = [chain({"use": "slope-noise", "ratio": 1.0}).slope(SENT, LABELS, ("step", party)) for party in (1, 2)]
    assert not torch.isclose(*noisy).any()


def test_penalties_add_up():
    one, other = ({"use": "nopeek", "weight": weight} for weight in (0.5, 2.0))
    inputs = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    added = chain(one, NOISE, other).penalty(inputs, SENT)
    torch.testing.assert_close(added, chain(one).penalty(inputs, SENT) + chain(other).penalty(inputs, SENT))
    assert chain({"use": "nopeek", "weight": 0}, NOISE).penalty(inputs, SENT) is None


@pytest.mark.parametrize("columns", [False, True])
def test_a_defense_has_its_place_where_it_acts(columns):
    others = {"clipping": {"max_norm": 1.0}, "dropout": {}, "larger-batches": {}}
    sentence = "acts on what clients with rows of their own" if columns else "acts where a network is cut among parties"
    anywhere = {"rounding": {"digits": 1}}
    for name, options in {**anywhere, **(AT_THE_CUT if columns else others)}.items():
        require_place([defenses.build(name, options)], columns=columns)
    for name, options in others.items() if columns else AT_THE_CUT.items():
        with pytest.raises(ConfigError, match=f"{name} {sentence}"):
            require_place([defenses.build(name, options)], columns=columns)


def test_one_that_acts_at_the_cut_and_elsewhere_has_no_place_anywhere():
    @dataclass(frozen=True, kw_only=True)
    class Both(Defense):
        name = "both"

        def slope(self, slope, labels, rng):
            return slope

        def protect(self, update, rng):
            return update

    for columns in (False, True):
        with pytest.raises(ConfigError, match="both acts"):
            require_place([Both()], columns=columns)
