"""The guard lets honest replies out as they are, and no breach."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Error, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.clientapp.mod import LocalDpMod

from fedleak.guard.mod import guard, guarded

from .conftest import GUIDE, PIXELS, STYLES, WITH_MOD, Site, named, question, record_of, spoiling, visitor

Change = Callable[[RecordDict, RecordDict], None]


def leaving(content: RecordDict) -> tuple[str, dict[str, Any]]:
    name, record = next(iter(content.array_records.items()))
    return name, named(record)


def came(content: RecordDict) -> dict[str, Any]:
    return named(next(iter(content.array_records.values())))


def with_arrays(change: Callable[[dict[str, Any], dict[str, Any]], Mapping[str, Any]]) -> Change:
    def spoil(reply: RecordDict, received: RecordDict) -> None:
        name, arrays = leaving(reply)
        reply[name] = record_of(dict(change(arrays, came(received))))

    return spoil


def first(change: Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]) -> Change:
    """Changes the first array alone."""

    def spoil(arrays: dict[str, Any], _: dict[str, Any]) -> Mapping[str, Any]:
        name = next(iter(arrays))
        return {**arrays, name: change(arrays[name])}

    return with_arrays(spoil)


def metric(name: str, value: Any) -> Change:
    """A metric, in the record where each style has its own."""

    def spoil(reply: RecordDict, _: RecordDict) -> None:
        record: Any = reply.config_records.get("fitres.metrics", reply.metric_records.get("metrics"))
        record[name] = value

    return spoil


def bomb(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Bytes of an example, as what a number that is none has room for."""
    spoilt = array.copy()
    bits = spoilt.view(np.uint32)
    bits[0] = 0x7FC00000 | (PIXELS[0] * 255).astype(np.uint32)
    return spoilt


def copied(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """An example where a neuron's weights were, brighter and darker so that the weights look like some."""
    spoilt = array.copy()
    spoilt[3] = (PIXELS[11] - 0.5) * 0.2
    return spoilt


def behind(reply: RecordDict, _: RecordDict) -> None:
    """Bytes of an example behind the last value of an array, where no reader looks."""
    name, record = next(iter(reply.array_records.items()))
    arrays = dict(record)
    key, array = next(iter(arrays.items()))
    arrays[key] = Array(array.dtype, array.shape, array.stype, array.data + PIXELS[0].tobytes())
    reply[name] = ArrayRecord(arrays)


def in_a_name(reply: RecordDict, _: RecordDict) -> None:
    reply[PIXELS[0].tobytes().hex()] = MetricRecord({"num-examples": 60})


def few(reply: RecordDict, _: RecordDict) -> None:
    for record in reply.metric_records.values():
        for key in record:
            if key.startswith("num"):
                record[key] = 1


def in_config(reply: RecordDict, _: RecordDict) -> None:
    reply["config"] = ConfigRecord({"note": PIXELS[0].tobytes()})


BREACHES: dict[str, tuple[Change, str]] = {
    "unclipped update": (
        with_arrays(
            lambda arrays, before: {name: before[name] + 10 * (arrays[name] - before[name]) for name in arrays}
        ),
        "the change has a norm of 3.46, and at most 2 may leave (arrays.max_norm)",
    ),
    "examples in a metric": (
        metric("train_loss", PIXELS[0].astype(float).tolist()),
        "the metric 'train_loss' is no single number (messages.train.metrics)",
    ),
    "pretraining weights": (
        with_arrays(lambda arrays, _: {name: np.roll(array, 1) for name, array in arrays.items()}),
        "the weights are away from those that came by 1.41 times the norm of these, and training takes "
        "them at most 0.75 times (arrays.max_distance)",
    ),
    "what it was sent": (
        with_arrays(lambda _, before: before),
        "the change has a norm of 0, and more than 0 is a training's (arrays.min_norm)",
    ),
    "foreign array": (
        with_arrays(lambda arrays, _: {**arrays, "memory": PIXELS}),
        "1 of its arrays have names that none has of the 4 that came (arrays: names)",
    ),
    "not-a-number bombs": (first(bomb), "has values that are not finite (arrays: finite)"),
    "a large array": (
        first(lambda array: np.concatenate([array, PIXELS])),
        "has another shape than the (16, 64) that came (arrays: shapes)",
    ),
    "a finer type": (first(lambda array: array.astype(np.float64)), "is no float32 as it came (arrays: types)"),
    "an example as weights": (
        first(copied),
        "correlates with an example of the site by 1, at most 0.9 may (examples.max_correlation)",
    ),
    "bytes behind an array": (behind, "has other bytes than an array of its shape and type (arrays: bytes)"),
    "examples in a name": (in_a_name, "it has a record of a name that is not allowed (messages.train.records)"),
    "an update of one example": (
        few,
        "the metric 'num-examples' is not within 20 and 1e+05 (messages.train.metrics)",
    ),
    "examples in a config record": (
        in_config,
        "it has a config entry of a name that is not allowed (messages.train.config)",
    ),
    "a metric of its own": (
        metric("pixel", 0.25),
        "it has a metric of a name that is not allowed (messages.train.metrics)",
    ),
}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("breach", BREACHES)
def test_a_breach_is_refused_in_a_sentence(site: Site, style: str, breach: str) -> None:
    change, sentence = BREACHES[breach]
    reason = site.refusal(visitor(style, spoiling(change)), question(style))
    assert reason.startswith("the guard of this site refuses: ")
    assert reason.endswith(sentence)
    assert site.journal()[-1]["reason"] == reason


OUT_OF_TURN = {
    "second answer": "this round has had 1 of 1 answers (messages.train.per_round)",
    "question for examples": "it answers no messages of this type (messages)",
    "examples in an error": "the app failed, and the site's journal says how (app)",
    "examples in an error of its own": "the app answers with an error, whose words stay in the site's journal (app)",
    "no local DP": "the app does not have the mod LocalDpMod (requires)",
    "local DP of another": "the app does not have the mod LocalDpMod (requires)",
    "little noise": "LocalDpMod has 0.001 as its sensitivity, and at least 0.01 is demanded (requires)",
}


def crash(message: Message, context: Context, call_next: Any) -> Message:
    raise ValueError(PIXELS[0].tolist())


def say(message: Message, context: Context, call_next: Any) -> Message:
    return Message(Error(code=int(PIXELS[0, 0] * 1e9), reason=str(PIXELS[0].tolist())), reply_to=message)


class Harmless(LocalDpMod):
    """Has all the numbers, and does nothing."""

    def __call__(self, msg: Message, ctxt: Context, call_next: Any) -> Message:
        return call_next(msg, ctxt)


@pytest.mark.parametrize("style", STYLES)
def test_a_second_answer_is_refused_before_the_app_is_asked(site: Site, style: str) -> None:
    asked = []
    app = visitor(style, lambda message, context, call_next: asked.append(1) or call_next(message, context))
    assert site.ask(app, question(style)).has_content()
    assert site.refusal(app, question(style)).endswith(OUT_OF_TURN["second answer"])
    assert len(asked) == 1
    assert site.ask(app, question(style, number=2)).has_content()


def test_a_question_that_the_policy_does_not_have_is_refused(site: Site) -> None:
    reason = site.refusal(visitor("messages"), question("messages", kind="query"))
    assert reason.endswith(OUT_OF_TURN["question for examples"])


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(("mod", "breach"), [(crash, "examples in an error"), (say, "examples in an error of its own")])
def test_no_word_of_an_error_leaves(site: Site, style: str, mod: Any, breach: str) -> None:
    assert site.refusal(visitor(style, mod), question(style)).endswith(OUT_OF_TURN[breach])
    assert str(PIXELS[0, 1])[:6] in site.journal()[-1]["detail"]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    ("mods", "breach"),
    [
        ([], "no local DP"),
        ([Harmless(1.0, 0.01, 8.0, 1e-5)], "local DP of another"),
        ([LocalDpMod(1.0, 0.001, 8.0, 1e-5)], "little noise"),
    ],
)
def test_a_mod_that_the_site_demands_is_flower_s_own(site: Site, style: str, mods: list[Any], breach: str) -> None:
    site.policy(WITH_MOD)
    assert site.refusal(visitor(style, *mods), question(style)).endswith(OUT_OF_TURN[breach])
    honest = visitor(style, LocalDpMod(1.0, 0.01, 8.0, 1e-5))
    assert site.ask(honest, question(style, number=2)).has_content()


def test_noise_that_was_taken_out_again_is_missed(site: Site) -> None:
    """A mod outside of the one that was demanded sends what the app had before it."""
    site.policy(WITH_MOD)
    kept: list[Any] = []

    def outside(message: Message, context: Context, call_next: Any) -> Message:
        reply = call_next(message, context)
        reply.content["arrays"] = kept[0]
        return reply

    def inside(message: Message, context: Context, call_next: Any) -> Message:
        reply = call_next(message, context)
        kept.append(record_of({name: one + np.float32(1e-6) for name, one in came(message.content).items()}))
        return reply

    large = LocalDpMod(1.0, 1.0, 8.0, 1e-5)
    reason = site.refusal(visitor("messages", outside, large, inside), question("messages"))
    assert "and LocalDpMod leaves one of at least 16.4 (requires)" in reason


@pytest.mark.parametrize("style", STYLES)
def test_what_leaves_is_what_the_app_said_and_nothing_else(site: Site, style: str) -> None:
    """The same values bit for bit, in objects of the guard's own: none that the app still holds, nor its metadata."""
    held: list[Message] = []

    def keep(message: Message, context: Context, call_next: Any) -> Message:
        reply = call_next(message, context)
        reply.metadata.ttl, reply.metadata.group_id = 0.123456789, PIXELS[0].tobytes().hex()
        held.append(reply)
        return reply

    sent = question(style)
    reply = site.ask(visitor(style, keep), sent)
    assert reply.content == held[0].content
    assert reply.content is not held[0].content
    name = next(iter(reply.content.array_records))
    assert reply.content.array_records[name] is not held[0].content.array_records[name]
    assert reply.metadata.group_id == sent.metadata.group_id
    assert reply.metadata.reply_to_message_id == sent.metadata.message_id
    assert not math.isclose(reply.metadata.ttl, 0.123456789)


def test_as_a_mod_it_refuses_too_and_leaves_its_part_to_a_guard_around_it(site: Site) -> None:
    honest, crashing = visitor("messages", guard), visitor("messages", guard, crash)
    context = Context(1, 2, {}, RecordDict(), {})
    assert honest(question("messages"), context).has_content()
    assert honest(question("messages"), context).has_error()
    assert site.ask(honest, question("messages", number=2)).has_content()
    assert crashing(question("messages", number=3), context).error.reason == (
        f"the guard of this site refuses: {OUT_OF_TURN['examples in an error']}"
    )
    assert isinstance(guarded(honest), ClientApp)


def test_as_a_mod_it_finds_the_mods_that_are_demanded(site: Site) -> None:
    site.policy(WITH_MOD)
    context = Context(1, 2, {}, RecordDict(), {})
    noisy, plain = visitor("messages", guard, LocalDpMod(1.0, 0.01, 8.0, 1e-5)), visitor("messages", guard)
    assert noisy(question("messages"), context).has_content()
    assert str(plain(question("messages", number=2), context).error.reason).endswith(OUT_OF_TURN["no local DP"])


def test_what_an_app_said_stands_in_the_journal_and_not_in_the_log(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.refusal(visitor("messages", crash), question("messages"))
    assert str(PIXELS[0, 1])[:6] not in caplog.text
    assert "ValueError" in site.journal()[-1]["detail"]


def test_a_failure_of_the_guard_itself_lets_nothing_out(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedleak.guard.weights.hold", lambda *_: 1 / 0)
    reason = site.refusal(visitor("messages"), question("messages"))
    assert reason == "the guard of this site refuses: it failed, as its journal and log say (guard)"
    assert site.journal()[-1]["detail"] == "ZeroDivisionError: division by zero"


def test_the_guide_has_every_breach_with_its_sentence() -> None:
    sentences = [sentence for _, sentence in BREACHES.values()] + list(OUT_OF_TURN.values())
    assert len(sentences) >= 10
    assert not [sentence for sentence in sentences if sentence not in GUIDE]
