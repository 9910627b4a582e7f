"""The tap in somebody's server: it hears all, changes nothing and breaks nothing."""

import logging
import os
import signal
import stat
import subprocess
import sys
import textwrap
from collections import Counter
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Error, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.supercore.task_identity import TaskIdentity

from fedleak.federation.loopback import LoopbackGrid, server_context
from fedleak.wiretap import BYTES, FOLDER, ROUNDS, VALUES, tap
from fedleak.wiretap.grid import TappedGrid
from fedleak.wiretap.journal import Journal, read_journal
from fedleak.wiretap.recorder import Recorder

from .apps import CLIENTS, FAILS, Messages, OfBefore, digest
from .apps import ROUNDS as RUN

STYLES = pytest.mark.parametrize("style", [Messages, OfBefore])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER, str(tmp_path / "tap"))
    return tmp_path / "tap"


def ran(app, **config):
    config = {"seed": 0, **config}
    grid = LoopbackGrid(app.client, CLIENTS, config, lambda message, reply: None)
    app.server(grid, server_context(config))
    return app


def heard(folder):
    """Digests at the tap: of what went to clients and of what came."""
    exchanges = read_journal(folder)
    sent = Counter(digest(one.sent.arrays()) for one in exchanges)
    came = [one.received.arrays() for one in exchanges if one.received is not None]
    return sent, Counter(digest(arrays) for arrays in came if arrays)


@STYLES
def test_digests_at_the_tap_are_those_at_the_clients(style, folder):
    app = ran(style())
    sent, came = heard(folder)
    assert sum(app.got.values()) == 2 * RUN * CLIENTS
    assert sum(app.gave.values()) == RUN * CLIENTS
    assert sent == app.got
    assert came == app.gave


@STYLES
def test_rounds_nodes_types_and_numbers_are_known(style, folder):
    ran(style())
    exchanges = read_journal(folder)
    assert Counter((one.round, one.type) for one in exchanges) == {
        (round, kind): CLIENTS for round in range(1, RUN + 1) for kind in ("train", "evaluate")
    }
    assert {one.node for one in exchanges} == set(range(1, CLIENTS + 1))
    examples = [one.received.numbers.get("num-examples", one.received.numbers.get("num_examples")) for one in exchanges]
    assert set(examples) == {4}
    losses = [one.received.numbers["loss"] for one in exchanges if one.type == "train"]
    assert all(np.isnan(losses)) if style is Messages else set(losses) == {0.25}


@STYLES
def test_only_the_owner_can_read_it(style, folder):
    ran(style())
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.rglob("*"))}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}


@STYLES
def test_values_of_configs_are_left_out_unless_listed(style, folder, monkeypatch):
    monkeypatch.setenv(VALUES, "lr, other")
    ran(style())
    assert "hunter2" not in (folder / "messages.jsonl").read_text()
    configs = [config for one in read_journal(folder) if one.type == "train" for config in one.sent.config.values()]
    assert {(config["lr"], config["secret"]) for config in configs} == {(0.1, None)}


@STYLES
def test_weights_are_stored_once(style, folder):
    ran(style())
    exchanges = read_journal(folder)
    named = {digest for one in exchanges for content in (one.sent, one.received) for digest in content.digests.values()}
    stored = {path.stem for path in (folder / "arrays").iterdir()}
    assert stored >= named
    assert len(stored) <= 1 + RUN + RUN * CLIENTS + 1  # at first, after each round, each update; and what is empty


def test_without_the_variable_the_grid_is_the_app_s_own(monkeypatch):
    monkeypatch.delenv(FOLDER, raising=False)
    grid = object()
    assert tap(grid) is grid


def test_a_folder_of_somebody_s_own_is_left_alone(folder, caplog):
    folder.mkdir(mode=0o755)
    (folder / "thesis.tex").touch()
    grid = Named()
    assert tap(grid) is grid
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert "expected a new folder" in caplog.text


def test_a_number_that_is_none_records_nothing(folder, monkeypatch, caplog):
    monkeypatch.setenv(BYTES, "plenty")
    grid = Named()
    assert tap(grid) is grid
    assert "plenty" in caplog.text


@STYLES
def test_a_full_disk_ends_the_recording_and_not_the_run(style, folder, monkeypatch, caplog):
    alone = style()
    with monkeypatch.context() as patch:
        patch.delenv(FOLDER)
        ran(alone)
    real, room = os.write, iter(range(9))

    def full(file, content):
        if next(room, None) is None:
            raise OSError(28, "No space left on device")
        return real(file, content)

    monkeypatch.setattr("fedleak.wiretap.journal.os.write", full)
    app = ran(style())
    assert (app.got, app.gave) == (alone.got, alone.gave)
    assert len(read_journal(folder)) < 2 * RUN * CLIENTS
    assert [one.message for one in caplog.records if one.name == "fedleak.wiretap"] == [
        "recording has ended: OSError: [Errno 28] No space left on device"
    ]


def test_arrays_that_find_no_room_leave_no_half_file(folder, monkeypatch):
    def full(path, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fedleak.wiretap.journal.os.rename", full)
    ran(Messages())
    assert list((folder / "arrays").iterdir()) == []


@STYLES
def test_the_folder_grows_to_its_bound_and_says_so_once(style, folder, monkeypatch):
    monkeypatch.setenv(BYTES, "4000")
    ran(style())
    lines = (folder / "messages.jsonl").read_text()
    assert lines.count('"kind":"bound"') == 1
    assert 0 < len(read_journal(folder)) < 2 * RUN * CLIENTS
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 4000 + 200


@STYLES
def test_rounds_are_bounded(style, folder, monkeypatch):
    monkeypatch.setenv(ROUNDS, "1")
    ran(style())
    exchanges = read_journal(folder)
    assert {one.round for one in exchanges} == {1}
    assert all(one.received is not None for one in exchanges)
    assert (folder / "messages.jsonl").read_text().count('"kind":"bound"') == 1


def test_what_a_client_fails_with_is_recorded(folder):
    ran(Messages(), **{FAILS: 1})
    failed = [one for one in read_journal(folder) if one.error]
    assert {one.node for one in failed} == {2}
    assert "no data here" in failed[0].error


class Named(Grid):
    """Pushes to somewhere and answers at the second question, as Flower's own grids might."""

    def __init__(self):
        TaskIdentity.task_id = TaskIdentity.run_id = TaskIdentity.node_id = 1
        self.replies, self.asked = {}, 0
        self.color = "red"

    def set_run(self, run): ...

    run = property(lambda self: 7)

    def create_message(self, *given): ...

    def get_node_ids(self):
        return [5, 6]

    def answer(self, message):
        if message.metadata.dst_node_id != 6:
            return Message(RecordDict({"m": MetricRecord({"n": 1})}), reply_to=message)
        dead = Message(Error(code=5, reason="Node Unavailable"), reply_to=message)
        dead.metadata.__dict__["_src_node_id"] = 1  # the SuperLink answers for it
        return dead

    def push_messages(self, messages):
        for message in messages:
            name = f"m{len(self.replies)}-{message.metadata.dst_node_id}"
            message.metadata.__dict__["_message_id"] = name
            self.replies[name] = self.answer(message)
        return [message.metadata.message_id for message in messages]

    def pull_messages(self, message_ids):
        self.asked += 1
        first = sorted(message_ids)[:1]
        return [self.replies[name] for name in first]

    def send_and_receive(self, messages, *, timeout=None):
        raise NotImplementedError

    send_and_receive.__module__ = "flwr.grid"  # the tap does itself what those of Flower do


def message(node, kind="train", *, content=None, group=None):
    record = RecordDict({"c": ConfigRecord({"x": 1})}) if content is None else content
    return Message(record, node, kind, group_id=group)


def test_a_reply_for_a_dead_node_is_that_node_s(folder, monkeypatch):
    monkeypatch.setattr("fedleak.wiretap.grid.FIRST_PAUSE", 0)
    replies = tap(Named()).send_and_receive([message(6), message(5)])
    assert len(replies) == 2
    dead, alive = read_journal(folder)
    assert (dead.node, dead.error) == (6, "Node Unavailable (code 5)")
    assert (alive.node, alive.error, alive.received.numbers) == (5, "", {"n": 1})


def test_each_reply_is_written_as_it_is_pulled(folder, monkeypatch):
    monkeypatch.setattr("fedleak.wiretap.grid.FIRST_PAUSE", 0)
    answered = []
    monkeypatch.setattr(
        "fedleak.wiretap.grid.time.sleep",
        lambda seconds: answered.append(sum(one.received is not None for one in read_journal(folder))),
    )
    tap(Named()).send_and_receive([message(4), message(5), message(7)])
    assert answered == [1, 2]


@pytest.mark.parametrize(("own", "waited"), [(None, [0.1, 0.2, 0.4, 0.8, 1.6, 3.0, 3.0]), (0.15, [0.1, *[0.15] * 6])])
def test_it_waits_no_longer_than_the_grid_itself(own, waited, folder, monkeypatch):
    pauses = []
    monkeypatch.setattr("fedleak.wiretap.grid.time.sleep", pauses.append)
    grid = Named()
    if own is not None:
        grid.pull_interval = own
    tap(grid).send_and_receive([message(node) for node in range(10, 18)])
    assert pauses == waited


def test_a_time_limit_is_kept(folder):
    grid = Named()
    grid.pull_messages = lambda message_ids: []
    assert tap(grid).send_and_receive([message(5)], timeout=0.05) == []


def test_every_other_attribute_is_the_grid_s(folder):
    grid = Named()
    tapped = tap(grid)
    tapped.color = "blue"
    assert isinstance(tapped, Grid)
    assert (tapped.run, tapped.get_node_ids(), tapped.color, grid.color) == (7, [5, 6], "blue", "blue")
    assert [node.node_id for node in tapped.get_nodes()] == [5, 6]
    assert tap(tapped) is tapped
    with pytest.raises(AttributeError):
        tapped.shape  # noqa: B018


def test_an_error_of_the_grid_is_the_app_s(folder):
    class Broken(Named):
        def push_messages(self, messages):
            raise ConnectionError("gone")

    with pytest.raises(ConnectionError, match="gone"):
        tap(Broken()).push_messages([message(5)])


def test_somebody_else_s_grid_does_what_it_does(folder):
    class Own(Named):
        def send_and_receive(self, messages, *, timeout=None):
            self.push_messages(messages)
            return list(self.replies.values())[:1]

    replies = tap(Own()).send_and_receive([message(5), message(6)])
    assert len(replies) == 1
    assert [one.received is not None for one in read_journal(folder)] == [True, False]


def test_where_nobody_names_messages_the_node_says_whose_reply_it_is(folder):
    class Nameless(Named):
        def send_and_receive(self, messages, *, timeout=None):
            return [self.answer(one) for one in reversed(messages)]

    tap(Nameless()).send_and_receive([message(5), message(7)])
    assert [(one.node, one.received is not None) for one in read_journal(folder)] == [(5, True), (7, True)]


def test_a_record_of_an_unknown_kind_is_named_and_the_rest_kept(folder):
    class Hologram(dict):
        pass

    strange = message(5)
    strange.__dict__["_content"] = {"h": Hologram(a=1), "m": MetricRecord({"n": 2})}
    tap(Named()).push_messages([strange])
    (one,) = read_journal(folder)
    assert one.sent.other == {"h": "Hologram"}
    assert one.sent.numbers == {"n": 2}


def test_a_message_that_cannot_be_read_is_left_out_and_the_next_is_not(folder, caplog):
    class Broken(dict):
        def items(self):
            raise RuntimeError("no record")

    tapped = tap(Named())
    messages = [message(node) for node in (5, 6, 7)]
    for one in (messages[0], messages[2]):
        one.__dict__["_content"] = Broken()
    assert len(tapped.push_messages(messages)) == 3
    assert [one.node for one in read_journal(folder)] == [6]
    assert caplog.text.count("a message is left out") == 1


def test_arrays_of_other_kinds_are_kept_as_bytes(folder):
    odd = {
        "bytes": Array("tree", (1,), "xgboost", b"\x01\x02"),
        "broken": Array("float32", (2,), "numpy.ndarray", b"no array"),
        "empty": Array("float32", (2,), "numpy.ndarray", b""),
        "wide": Array(np.array([1 + 2j])),
        "big": Array(np.arange(3, dtype=">i4")),
        "turned": Array(np.asfortranarray(np.arange(6.0).reshape(2, 3))),
        "none": Array(np.zeros((0, 2), np.float16)),
    }
    tap(Named()).push_messages([message(5, content=RecordDict({"a": ArrayRecord(odd)}))])
    arrays = read_journal(folder)[0].sent.arrays()
    assert list(arrays) == list(odd)
    assert arrays["bytes"].tobytes() == b"\x01\x02"
    assert arrays["broken"].tobytes() == b"no array"
    assert arrays["wide"].tobytes() == odd["wide"].data
    assert arrays["big"].tolist() == [0, 1, 2]
    assert arrays["turned"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert arrays["none"].shape == (0, 2)


def test_threads_lose_and_mix_nothing(folder):
    grid = Named()
    tapped = tap(grid)
    per_thread = 40

    def work(start):
        for node in range(start, start + per_thread):
            tapped.pull_messages(tapped.push_messages([message(node, group=str(node))]))

    threads = [Thread(target=work, args=(100 * place,)) for place in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    exchanges = read_journal(folder)
    assert len(exchanges) == 2 * per_thread
    assert all(one.round == one.node and one.received is not None for one in exchanges)


def test_without_round_and_group_rounds_are_counted(folder):
    tapped = tap(Named())
    for kind in ("train", "evaluate", "train", "evaluate"):
        for node in (5, 7):
            tapped.push_messages([message(node, kind)])
    assert [one.round for one in read_journal(folder)] == [1, 1, 1, 1, 2, 2, 2, 2]


def test_a_group_without_a_number_is_a_round(folder):
    tapped = tap(Named())
    for group in ("spring", "spring", "autumn"):
        tapped.push_messages([message(5, group=group)])
    assert [one.round for one in read_journal(folder)] == [1, 1, 2]


def test_what_was_left_out_is_counted_at_the_end(tmp_path):
    recorder = Recorder(Journal(tmp_path / "tap", 10_000), most_rounds=1, values=())
    grid = TappedGrid(Named(), recorder)
    for group in ("1", "2", "3"):
        grid.push_messages([message(5, group=group)])
    recorder.close()
    recorder.close()
    assert '"kind":"end"' in (last := (tmp_path / "tap" / "messages.jsonl").read_text().splitlines()[-1])
    assert '"left_out":2' in last


KILLED = """
import os, signal
from tests_apps import Messages
from fedleak.federation.loopback import LoopbackGrid, server_context
app = Messages()
def die(message, reply):
    if app.got.total() > 8:
        os.kill(os.getpid(), signal.SIGKILL)
app.server(LoopbackGrid(app.client, 4, {"seed": 0}, die), server_context({"seed": 0}))
"""


@pytest.mark.slow
def test_what_was_pulled_before_the_server_was_killed_can_be_read(folder, tmp_path):
    here = Path(__file__)
    (tmp_path / "tests_apps.py").write_text(here.with_name("apps.py").read_text())
    root = here.parents[3]
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{root}"}
    done = subprocess.run(
        [sys.executable, "-c", KILLED], env=environment, check=False, capture_output=True, timeout=120
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    exchanges = read_journal(folder)
    assert len(exchanges) == 8
    assert all(one.received is not None for one in exchanges)
    assert all(one.received.arrays() for one in exchanges if one.type == "train")
    with (folder / "messages.jsonl").open("a") as file:
        file.write('{"kind":"sent","ta')
    assert len(read_journal(folder)) == 8
    tap(Named()).push_messages([message(5)])
    assert len(read_journal(folder)) == 9


@pytest.mark.slow
def test_it_loads_neither_torch_nor_the_rest_of_fedleak():
    code = textwrap.dedent("""
        import sys, fedleak.wiretap, fedleak.wiretap.journal
        assert "flwr" not in sys.modules
        import fedleak.wiretap.grid
        ours = {name for name in sys.modules if name.startswith("fedleak.")}
        assert all(name.startswith("fedleak.wiretap") for name in ours), ours
        assert "torch" not in sys.modules
    """)
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_nothing_is_said_where_all_is_well(folder, caplog):
    with caplog.at_level(logging.INFO, "fedleak.wiretap"):
        ran(Messages())
    assert [one for one in caplog.records if one.name == "fedleak.wiretap"] == []
