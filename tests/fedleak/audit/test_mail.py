"""Mail: events come as they were told, for their user alone."""

import stat
import threading
from pathlib import Path

from torch import nn

from fedleak.audit.mail import Mail
from fedleak.audit.seen import Training
from fedleak.audit.understanding import Understanding, Update

UNCLEAR = Understanding(verdict="not understood")


def update(client: int, round: int = 1, network: nn.Module | None = None) -> Update:
    training = Training(network=network)
    return Update(client=client, round=round, sent={}, received={}, reported={}, training=training)


def test_events_are_read_once_in_their_order_and_updates_by_round_and_client(tmp_path: Path) -> None:
    mail, other = Mail(tmp_path), Mail(tmp_path)
    mail.says("begins")
    for client, round in ((2, 1), (0, 2), (1, 1)):
        mail.trained(update(client, round), UNCLEAR)
    other.lost("a node died")
    mail.ended("")
    assert list(other.events()) == [("says", ("begins",)), ("lost", ("a node died",)), ("ended", ("",))]
    assert not list(mail.events())
    found = [(name, given[0].round, given[0].client) for name, given in other.updates()]
    assert found == [("trained", 1, 1), ("trained", 1, 2), ("trained", 2, 0)]
    assert not list(tmp_path.iterdir())


def test_how_often_a_node_was_asked_is_known_in_every_process(tmp_path: Path) -> None:
    assert [Mail(tmp_path).asked(7), Mail(tmp_path).asked(8), Mail(tmp_path).asked(7)] == [1, 1, 2]
    assert [given for _, given in Mail(tmp_path).events()] == [(7,), (8,), (7,)]


def test_signs_of_life_are_told_once_a_second(tmp_path: Path) -> None:
    mail = Mail(tmp_path)
    for _ in range(5):
        mail.beat()
        mail.polled()
    assert [name for name, _ in mail.events()] == ["beat", "polled"]


def test_files_are_for_their_user_alone(tmp_path: Path) -> None:
    mail = Mail(tmp_path)
    mail.trained(update(0), UNCLEAR)
    mail.asked(1)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {0o600}
    assert len(list(tmp_path.iterdir())) == 3


def test_what_an_app_defines_inside_a_function_leaves_its_process_and_what_cannot_is_said(tmp_path: Path) -> None:
    class Inside(nn.Linear):
        pass

    mail, locked = Mail(tmp_path), Inside(2, 2)
    locked.lock = threading.Lock()
    mail.trained(update(0, network=Inside(2, 2)), UNCLEAR)
    mail.trained(update(1, network=locked), UNCLEAR)
    ((_, (read, known)),) = mail.updates()
    assert type(read.training.network).__name__ == "Inside"
    assert known.verdict == UNCLEAR.verdict
    ((name, (words,)),) = mail.events()
    assert name == "failed"
    assert words.startswith("client 1 in round 1: what was seen of it cannot leave its process (TypeError: ")
    assert words.endswith("audit it with --engine loopback")
