"""Canaries: what a client holds after it typed one is what a text with it has in its windows; or a sentence."""

import re
from collections import Counter

import pytest
import torch

from fedleak.data.canary import secret_of, with_canary
from fedleak.data.splits import load
from fedleak.errors import ConfigError
from fedleak.learning.batch import joined
from fedleak.learning.text import OTHER, Text
from fedleak.settings.base import parse_settings
from fedleak.settings.canary import Canary
from fedleak.settings.federation import FederationSettings

SPACE = Text(alphabet=" abcdefghijklmnopqrstuvwxyz0123456789." + OTHER, length=8)
TEXT = "it is a truth universally acknowledged that a man in want of nothing has no pin to tell. " * 3
SHARE = SPACE.windows(TEXT)
FORMAT = "my pin is {digits}"


def said(batch) -> str:
    return "".join(SPACE.alphabet[label] for label in batch.labels.tolist())


@pytest.mark.parametrize("times", [1, 4, 20])
def test_the_windows_are_those_of_the_text_that_was_typed(times: int) -> None:
    canary = Canary(format=FORMAT, times=times)
    typed = with_canary(SHARE, canary, 3)
    whole = SPACE.windows(said(typed))
    assert torch.equal(typed.inputs, whole.inputs)
    assert torch.equal(typed.labels, whole.labels)
    text = f"my pin is {secret_of(canary, 3)}"
    assert len(typed) == len(SHARE) + times * len(text)
    assert said(typed).count(text) >= 1
    assert Counter(said(typed)) == Counter(TEXT) + Counter(text * times)


def test_where_a_stretch_ends_what_follows_is_left_alone() -> None:
    two = joined([SPACE.windows("the first of them"), SPACE.windows("a second one")])
    for seed in range(20):
        typed = with_canary(two, Canary(format="{digits}", digits=2), seed)
        begins = [place for place, window in enumerate(typed.inputs) if SPACE.decode(window).strip() == ""]
        assert len(begins) >= 2
        rest = typed[torch.arange(begins[-1], len(typed))]
        assert torch.equal(rest.inputs, SPACE.windows(said(rest)).inputs)


def test_the_seed_draws_the_secret_and_how_often_it_is_typed_does_not_change_it() -> None:
    once, often = Canary(format=FORMAT), Canary(format=FORMAT, times=16, client=3)
    assert secret_of(once, 5) == secret_of(often, 5)
    assert len({secret_of(once, seed) for seed in range(30)}) > 25
    assert re.fullmatch(r"\d{6}", secret_of(Canary(format=FORMAT, digits=6), 1))
    assert torch.equal(with_canary(SHARE, often, 5).inputs, with_canary(SHARE, often, 5).inputs)


def test_a_share_that_the_canary_does_not_go_into_is_refused_in_a_sentence() -> None:
    with pytest.raises(ConfigError, match=r"'my pin is 4 digits' of 14 characters, 300 times, .* client 2's text of"):
        with_canary(SHARE, Canary(format=FORMAT, times=300, client=2), 0)
    with pytest.raises(ConfigError, match="does not go into"):
        with_canary(SHARE[torch.arange(10)], Canary(format=FORMAT), 0)
    with pytest.raises(ConfigError, match=r"federation.canary is for texts, and the examples are 1x8x8 images"):
        with_canary(load("digits-mlp").clients, Canary(format=FORMAT), 0)


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"format": "my pin is"}, r'federation.canary: expected a format with one secret place, as in "my pin is'),
        ({"format": "{digits}{digits}"}, "one secret place"),
        ({"times": 4}, "one secret place"),
        ({"format": FORMAT, "times": 0}, "federation.canary.times: expected greater than or equal to 1, got 0"),
        ({"format": FORMAT, "digits": 7}, "federation.canary.digits: expected less than or equal to 6, got 7"),
        ({"format": FORMAT, "client": 8}, "expected a canary of one of the 8 clients, 0 to 7, got 8"),
        ({"format": FORMAT, "client": -1}, "federation.canary.client"),
    ],
)
def test_a_canary_that_cannot_be_is_refused(table: dict, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        parse_settings(FederationSettings, {"clients": 8, "canary": table}, "federation")
