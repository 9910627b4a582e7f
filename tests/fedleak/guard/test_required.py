"""Mods that a site demands are found around what answers, read, and held to."""

from math import log, sqrt
from typing import Any

import numpy as np
import pytest
from flwr.app import ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.clientapp.mod import LocalDpMod, fixedclipping_mod, message_size_mod

from fedleak.errors import ConfigError
from fedleak.guard import required
from fedleak.guard.arrays import Pair
from fedleak.guard.journal import Refused
from fedleak.guard.policy import Policy, Required
from fedleak.guard.required import answering_of, hold, mods_around, require

from .conftest import STYLES, visitor

CLIPPED = RecordDict({"config": ConfigRecord({"clipping_norm": 1.5})})
LOCAL = LocalDpMod(1.0, 0.5, 8.0, 1e-5)


def demanded(mods: list[Any], *rules: dict[str, Any], received: RecordDict = CLIPPED) -> list[Any]:
    policy = Policy(messages={}, requires=tuple(Required(**rule) for rule in rules))
    return require(policy, mods, received)


@pytest.mark.parametrize("style", STYLES)
def test_mods_are_found_in_their_order(style: str) -> None:
    answering = answering_of(visitor(style, message_size_mod, LOCAL), "train")
    assert answering is not None
    assert mods_around(answering) == [message_size_mod, LOCAL]


def test_mods_of_a_function_alone_are_found_for_it_alone() -> None:
    app = ClientApp(mods=[message_size_mod])

    def answer(message: Message, context: Context) -> Message:
        return message

    app.train(mods=[LOCAL])(answer)
    app.train("second")(answer)
    found = [answering_of(app, kind) for kind in ("train", "train.second", "evaluate")]
    assert [one and mods_around(one) for one in found] == [[message_size_mod, LOCAL], [message_size_mod], None]


def test_what_is_demanded_is_found() -> None:
    numbers = {"clipping_norm_max": 1.0, "epsilon_max": 8, "sensitivity_min": 0.5}
    assert demanded([message_size_mod, LOCAL], {"mod": "LocalDpMod", **numbers}) == [LOCAL]
    assert demanded([fixedclipping_mod], {"mod": "fixedclipping_mod", "clipping_norm_max": 2}) == [fixedclipping_mod]
    assert demanded([visitor], {"mod": f"{visitor.__module__}:visitor"}) == [visitor]


@pytest.mark.parametrize(
    ("mods", "rule", "sentence"),
    [
        ([], {"mod": "LocalDpMod"}, "the app does not have the mod LocalDpMod"),
        ([lambda *_: None], {"mod": "fixedclipping_mod"}, "the app does not have the mod fixedclipping_mod"),
        (
            [LOCAL],
            {"mod": "LocalDpMod", "epsilon_max": 4},
            "LocalDpMod has 8 as its epsilon, and at most 4 is demanded",
        ),
        (
            [LOCAL],
            {"mod": "LocalDpMod", "sensitivity_min": 1},
            "has 0.5 as its sensitivity, and at least 1 is demanded",
        ),
        ([LOCAL], {"mod": "LocalDpMod", "epsilom_max": 4}, "LocalDpMod tells no number 'epsilom'"),
        (
            [fixedclipping_mod],
            {"mod": "fixedclipping_mod", "clipping_norm_max": 1},
            "fixedclipping_mod has 1.5 as its clipping_norm, and at most 1 is demanded",
        ),
    ],
)
def test_what_is_missing_or_weak_is_refused(mods: list[Any], rule: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refused) as caught:
        demanded(mods, rule)
    assert sentence in str(caught.value)


@pytest.mark.parametrize("name", ["NoSuchMod", "no_such_module:mod", "json:nothing"])
def test_a_mod_that_there_is_not_is_the_policy_s_mistake(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot import"):
        demanded([LOCAL], {"mod": name})


def change(norm: float, size: int = 400) -> list[Pair]:
    step = np.full(size, norm / sqrt(size))
    return [Pair("weight", np.zeros(size), step)]


def test_the_norm_of_a_reply_tells_whether_noise_is_in_it() -> None:
    noise = 0.5 * sqrt(2 * log(1.25 / 1e-5)) / 8.0
    hold([LOCAL], change(noise * sqrt(400)), CLIPPED)
    for norm in (noise * 13 - 1, noise * 27 + 1):
        with pytest.raises(Refused, match="LocalDpMod leaves one of at"):
            hold([LOCAL], change(norm), CLIPPED)


def test_the_norm_of_a_reply_tells_whether_it_was_clipped() -> None:
    hold([fixedclipping_mod], change(1.5), CLIPPED)
    with pytest.raises(Refused, match=r"a norm of 1\.6, and fixedclipping_mod leaves one of at most 1\.5"):
        hold([fixedclipping_mod], change(1.6), CLIPPED)
    with pytest.raises(Refused, match="fixedclipping_mod leaves one of at most nan"):
        hold([fixedclipping_mod], change(0.1), RecordDict({"metrics": MetricRecord()}))


def test_mods_that_were_not_demanded_are_not_measured() -> None:
    hold([], change(1e9), CLIPPED)
    hold([message_size_mod], change(1e9), CLIPPED)


def test_flower_s_way_to_put_mods_around_a_function_is_known() -> None:
    assert required._WRAPPED is not None
    assert set(required._WRAPPED.co_freevars) == {"_ffn", "_mod"}
