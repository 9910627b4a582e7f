"""Guard: the mod around a ClientApp, or the app around it, that lets a reply out or refuses it in one sentence."""

import copy
import logging
import traceback
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from flwr.app import Context, Error, Message, RecordDict
from flwr.app.message import remove_content_from_message
from flwr.clientapp import ClientApp

from fedleak.errors import FedleakError
from fedleak.guard import examples, records, required, weights
from fedleak.guard.arrays import pairs_of
from fedleak.guard.journal import Ledger, Refused, label_of, note
from fedleak.guard.policy import Policy, site_policy
from fedleak.guard.required import Answering

logger = logging.getLogger(__name__)
LONGEST = 10_000
"""Characters of an app's failure that the journal keeps."""
REFUSED = 6
"""Flower's code for a mod that a message does not pass."""
ROUND = "server-round"
POLICY, FAILED = "policy", "guard"
"""Rules that are broken where the site itself is at fault, or the guard."""
_guarding: ContextVar[bool] = ContextVar("guarding", default=False)
"""Whether an app is being asked by a guard."""


def guard(message: Message, context: Context, call_next: Answering) -> Message:
    """Mod of a ClientApp, to be the first of its list; what it lets out is the site's policy.

    Within an app that is guarded as a whole there is nothing left for it to do.
    """
    if _guarding.get():
        return call_next(message, context)
    return answer(message, context, call_next, lambda: required.mods_around(call_next), site_policy)


class Guarded(ClientApp):
    """An app around an app, loaded when the first message comes; no change in the inner one is needed."""

    def __init__(self, load: Callable[[], ClientApp], policy: Callable[[], Policy] = site_policy) -> None:
        super().__init__()
        self._load, self._policy = load, policy
        self._inner: ClientApp | None = None

    def __call__(self, message: Message, context: Context) -> Message:
        """Answers as the inner app does, if the policy has it so."""
        return answer(message, context, self._ask, partial(self._around, message.metadata.message_type), self._policy)

    def _app(self) -> ClientApp:
        if self._inner is None:
            self._inner = self._load()
        return self._inner

    def _ask(self, message: Message, context: Context) -> Message:
        return self._app()(message, context)

    def _around(self, message_type: str) -> list[Any]:
        answering = required.answering_of(self._app(), message_type)
        return [] if answering is None else required.mods_around(answering)


def guarded(app: ClientApp) -> ClientApp:
    """The app, with the guard around all of it: its mods, its errors, and what it does before and after."""
    return Guarded(lambda: app)


@dataclass(frozen=True)
class Asked:
    """A message as it came, whatever the app makes of it afterwards."""

    message: Message
    content: RecordDict
    run: int
    node: int
    type: str
    label: str

    @classmethod
    def of(cls, message: Message) -> "Asked":
        content = records.copy_of(message.content)
        told = [record.get(ROUND) for record in content.config_records.values()]
        return cls(
            message=copy.deepcopy(remove_content_from_message(message)),
            content=content,
            run=message.metadata.run_id,
            node=message.metadata.dst_node_id,
            type=message.metadata.message_type,
            label=label_of(message.metadata.group_id, *told),
        )

    def about(self) -> dict[str, object]:
        """What the journal says of it."""
        return {"run": self.run, "node": self.node, "type": self.type, "round": self.label}


def answer(
    message: Message, context: Context, ask: Answering, mods: Callable[[], list[Any]], policy: Callable[[], Policy]
) -> Message:
    """The reply of an app where it keeps to the policy, copied; else an error whose reason is one sentence.

    Whatever goes wrong, in the app, in the policy or in here, nothing of it leaves.
    """
    asked, rules = None, None
    try:
        rules = policy()
        asked = Asked.of(message)
        return Message(_held(asked, rules, message, context, ask, mods), reply_to=asked.message)
    except Refused as refused:
        failure = refused
    except FedleakError as error:  # the site's policy, or what it names, is at fault; its words are the site's own
        failure = Refused(POLICY, "its policy cannot be kept, as its journal and log say", str(error))
    except Exception as error:
        logger.exception("the guard failed")
        failure = Refused(FAILED, "it failed, as its journal and log say", f"{type(error).__name__}: {error}")
    # What the app said is the journal's alone, which others may not read; the site's own words are the log's too.
    logger.error("%s%s", failure, f": {failure.detail}" if failure.rule in (POLICY, FAILED) else "")
    if rules is not None:
        note(Path(rules.journal), failure, asked.about() if asked else {})
    return Message(Error(code=REFUSED, reason=str(failure)), reply_to=asked.message if asked else message)


def _held(
    asked: Asked, policy: Policy, message: Message, context: Context, ask: Answering, mods: Callable[[], list[Any]]
) -> RecordDict:
    rules = policy.messages.get(asked.type)
    if rules is None:
        raise Refused("messages", "it answers no messages of this type", repr(asked.type))
    Ledger(policy).take(asked.run, asked.node, asked.type, asked.label)
    if policy.examples is not None:  # before the app is asked: a site that cannot look lets nobody train
        examples.examples_of(policy.examples.source)
    demanded = required.require(policy, _careful(mods), asked.content) if policy.requires and rules.arrays else []
    reply = records.copy_of(_asked(ask, message, context))
    records.hold(asked.content, reply, asked.type, policy)
    if not rules.arrays:
        return reply
    with np.errstate(all="ignore"):  # what overflows keeps to no bound
        pairs = pairs_of(asked.content, reply, policy.arrays)
        weights.hold(weights.changes_of(pairs, policy.arrays), policy.arrays)
        required.hold(demanded, pairs, asked.content)
        if policy.examples is not None:
            examples.hold(pairs, policy.examples)
    return reply


def _careful(mods: Callable[[], list[Any]]) -> list[Any]:
    try:
        return mods()
    except Exception as error:  # whatever an app raises as it is imported
        raise _failed(error) from error


def _asked(ask: Answering, message: Message, context: Context) -> RecordDict:
    """The content of an app's reply. An error's text may hold anything, so it stays here."""
    token = _guarding.set(True)
    try:
        reply = ask(message, context)
    except Exception as error:  # whatever an app raises
        raise _failed(error) from error
    finally:
        _guarding.reset(token)
    if not isinstance(reply, Message) or reply.has_error():
        said = repr(reply.error) if isinstance(reply, Message) else type(reply).__name__
        raise Refused("app", "the app answers with an error, whose words stay in the site's journal", said)
    return reply.content


def _failed(error: Exception) -> Refused:
    said = "".join(traceback.format_exception(error))[-LONGEST:]
    return Refused("app", "the app failed, and the site's journal says how", said)
