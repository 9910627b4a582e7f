"""A site with a policy, and a visiting app in both of Flower's styles, which mods spoil."""

import json
import re
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.client import NumPyClient
from flwr.clientapp import ClientApp
from flwr.supercore.task_identity import TaskIdentity

from fedleak.guard.mod import guarded
from fedleak.guard.policy import POLICY

ROOT = Path(__file__).resolve().parents[3]
GUIDE = (ROOT / "docs" / "guard.md").read_text()
EXAMPLE, WITH_MOD = re.findall(r"```toml\n(.*?)```", GUIDE, flags=re.DOTALL)[:2]
"""The policies of the guide."""
STYLES = ("messages", "older")
SHAPES = {"hidden.weight": (16, 64), "hidden.bias": (16,), "output.weight": (10, 16), "output.bias": (10,)}
PIXELS = np.random.default_rng(7).random((40, 64), dtype=np.float32)
"""The site's examples: 40 of 8 x 8 pixels."""
CAME_OLDER = RecordDict({"fitins.parameters": ArrayRecord(), "fitins.config": ConfigRecord()})
"""What the older API asks with, without any weights."""
Weights = dict[str, np.ndarray[Any, np.dtype[Any]]]
_ids = count(1)


def weights(seed: int = 0) -> Weights:
    dice = np.random.default_rng(seed)
    return {name: dice.normal(0, 0.2, shape).astype(np.float32) for name, shape in SHAPES.items()}


def trained(before: Weights, seed: int = 1) -> Weights:
    """A change with a norm of about .35."""
    dice = np.random.default_rng(seed)
    return {name: (one + dice.normal(0, 0.01, one.shape)).astype(one.dtype) for name, one in before.items()}


def named(record: ArrayRecord) -> Weights:
    return {name: array.numpy() for name, array in record.items()}


def record_of(arrays: Weights) -> ArrayRecord:
    return ArrayRecord({name: Array(np.asarray(one)) for name, one in arrays.items()})


def visitor(style: str, *mods: Any) -> ClientApp:
    """An app that trains as `trained` has it and says how many examples it had, and its loss."""
    if style == "older":
        return ClientApp(lambda context: Older().to_client(), mods=list(mods))
    app = ClientApp(mods=list(mods))

    @app.train()
    def train(message: Message, context: Context) -> Message:
        arrays = record_of(trained(named(message.content.array_records["arrays"])))
        metrics = MetricRecord({"num-examples": 60, "train_loss": 0.7})
        return Message(RecordDict({"arrays": arrays, "metrics": metrics}), reply_to=message)

    @app.evaluate()
    def evaluate(message: Message, context: Context) -> Message:
        return Message(RecordDict({"metrics": MetricRecord({"num-examples": 60, "loss": 0.8})}), reply_to=message)

    @app.query()
    def query(message: Message, context: Context) -> Message:
        return Message(RecordDict({"arrays": record_of({"examples": PIXELS})}), reply_to=message)

    return app


class Older(NumPyClient):
    def fit(self, parameters: list[Any], config: Any) -> Any:
        after = trained({str(place): one for place, one in enumerate(parameters)})
        return list(after.values()), 60, {"train_loss": 0.7}

    def evaluate(self, parameters: list[Any], config: Any) -> Any:
        return 0.8, 60, {}


def spoiling(change: Callable[[RecordDict, RecordDict], None]) -> Any:
    """A mod that changes the content of a reply, given what came too."""

    def mod(message: Message, context: Context, call_next: Any) -> Message:
        came = RecordDict(dict(message.content))
        came.update({name: ArrayRecord(dict(one)) for name, one in message.content.array_records.items()})
        reply = call_next(message, context)
        change(reply.content, came)
        return reply

    return mod


def question(style: str, kind: str = "train", number: object = 1, arrays: Weights | None = None) -> Message:
    """What a server sends: weights, and which round it is, said as each style does."""
    TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, 1, 0
    sent = weights() if arrays is None else arrays
    if style == "older":
        begins = "fitins" if kind == "train" else "evaluateins"
        plain = {
            str(place): Array(dtype="", shape=(), stype="numpy.ndarray", data=Array(one).data)
            for place, one in enumerate(sent.values())
        }
        content = RecordDict({f"{begins}.parameters": ArrayRecord(plain), f"{begins}.config": ConfigRecord({})})
    else:
        content = RecordDict({"arrays": record_of(sent), "config": ConfigRecord({"server-round": number})})
    group = str(number) if style == "older" else ""
    message = Message(content, dst_node_id=2, message_type=kind, group_id=group)
    message.metadata.__dict__["_message_id"] = str(next(_ids))
    return message


class Site:
    """The folder of a site, its policy, and what asks its app."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self._patch, self._policies = folder, monkeypatch, count(1)
        np.savez(folder / "examples.npz", images=PIXELS.reshape(40, 1, 8, 8))

    def policy(self, text: str) -> Path:
        """Another file for each, as a process reads a file once."""
        path = self.folder / f"policy-{next(self._policies)}.toml"
        path.write_text(text)
        self._patch.setenv(POLICY, str(path))
        return path

    def ask(self, app: ClientApp, message: Message) -> Message:
        return guarded(app)(message, Context(1, 2, {}, RecordDict(), {}))

    def refusal(self, app: ClientApp, message: Message) -> str:
        """The sentence that a message is refused with."""
        reply = self.ask(app, message)
        assert reply.has_error(), reply
        assert reply.error.code == 6
        assert reply.error.reason is not None
        return reply.error.reason

    def journal(self) -> list[dict[str, Any]]:
        path = self.folder / "guard-journal.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site with the policy of the guide."""
    found = Site(tmp_path, monkeypatch)
    found.policy(EXAMPLE)
    return found
