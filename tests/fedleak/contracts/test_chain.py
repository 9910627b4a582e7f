"""A chain acts as its defenses do one after the other, and cannot be made of what does not go together."""

import pickle

import pytest
import torch

from fedleak.api import observe
from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import defenses
from fedleak.defenses.clipping import Clipping
from fedleak.defenses.error_feedback import ErrorFeedback
from fedleak.defenses.gaussian_noise import GaussianNoise
from fedleak.defenses.secure_aggregation import SecureAggregation
from fedleak.defenses.top_k import TopK
from fedleak.errors import ConfigError
from fedleak.learning.training import LocalTraining
from fedleak.learning.update import Update, UpdateKind
from fedleak.randomness import generator
from fedleak.settings.federation import FederationSettings
from fedleak.tasks import task_of

CLIP, NOISE, SPARSE = Clipping(max_norm=1.0), GaussianNoise(std=0.1), TopK(fraction=0.25)


def update_of(entries: int = 40) -> Update:
    return Update({"a": torch.randn(entries, generator=generator("update"))}, UpdateKind.DELTA)


def test_it_is_a_value() -> None:
    chain = Chain((CLIP, NOISE))
    assert (list(chain), len(chain), bool(Chain())) == ([CLIP, NOISE], 2, False)
    assert chain == Chain((CLIP, NOISE)) != Chain((NOISE, CLIP))
    assert len({chain, Chain((CLIP, NOISE)), pickle.loads(pickle.dumps(chain))}) == 1


def test_its_tables_build_it_again() -> None:
    chain = Chain((CLIP, ErrorFeedback(of=SPARSE), SecureAggregation()))
    assert Chain.build(tuple(chain.tables)) == chain


def test_an_empty_chain_leaves_everything_as_it_is() -> None:
    update, task, federation = update_of(), task_of("digits-mlp"), FederationSettings()
    assert Chain().protect(update, generator(0)) is update
    assert Chain().protect_with_state(update, {}, generator(0)) == (update, {})
    assert Chain().task(task) is task
    assert Chain().settings(federation) is federation
    assert (Chain().protocol, Chain().withheld(task)) == (None, frozenset())
    assert Chain().noise_variance(LocalTraining()) == 0.0


def test_what_is_kept_has_the_place_of_the_defense_that_keeps_it() -> None:
    chain, update = Chain((CLIP, ErrorFeedback(of=SPARSE))), update_of()
    sent, state = chain.protect_with_state(update, {}, generator(0))
    assert list(state) == ["1/a"]
    torch.testing.assert_close(sent.tensors["a"] + state["1/a"], CLIP.protect(update, generator(0)).tensors["a"])
    again, _ = chain.protect_with_state(update, state, generator(0))
    assert not torch.equal(again.vector(), sent.vector())


def test_a_client_by_itself_does_all_but_the_protocol() -> None:
    chain = Chain((CLIP, SecureAggregation()))
    assert chain.local == Chain((CLIP,))
    assert chain.protocol == SecureAggregation()
    assert chain.local.protocol is None


@pytest.mark.parametrize(
    ("tables", "sentence"),
    [
        (({"use": "secure-aggregation"}, CLIP), "must come once and last in a chain"),
        (({"use": "secure-aggregation"}, {"use": "secure-aggregation"}), "must come once and last in a chain"),
        (
            ({"use": "pate", "std": 1.0, "queries": 5}, {"use": "secure-aggregation"}),
            "under 'pate' clients share no model that another defense could change or mask, so 'pate' must come once",
        ),
        (({"use": "dp-sgd"}, {"use": "censor"}), "'dp-sgd' and 'censor' each say what gradient"),
    ],
)
def test_what_cannot_be_chained_is_never_a_chain(tables: tuple[object, ...], sentence: str) -> None:
    built = tuple(defenses.from_table(one) if isinstance(one, dict) else one for one in tables)
    with pytest.raises(ConfigError, match=sentence):
        Chain(built)
    with pytest.raises(ConfigError, match=rf"^defenses\.0: .*{sentence}"):
        Chain.build(tuple(Chain((one,)).tables[0] for one in built), "defenses.0")


def test_noises_add_up_in_squares() -> None:
    assert Chain((CLIP, NOISE, GaussianNoise(std=0.2))).noise_variance(LocalTraining()) == pytest.approx(0.05)


def test_an_observation_makes_a_chain_of_any_defenses_in_order() -> None:
    task = task_of("digits-mlp")
    seen = observe(task.network, torch.rand(1, *task.shape, generator=generator(0)), torch.tensor([1])).observation
    object.__setattr__(seen, "defense", (CLIP, NOISE))  # as an outside plug-in may give it, past the tests' type checks
    seen.__post_init__()
    assert seen.defense == Chain((CLIP, NOISE))
