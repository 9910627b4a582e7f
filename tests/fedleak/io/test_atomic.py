"""A file is there whole or not at all; links are followed and devices stay what they are."""

import os
from pathlib import Path

import pytest

from fedleak.errors import OutputError
from fedleak.io.atomic import UNFINISHED_FILES, open_privately, write_atomically


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path):
    path = tmp_path / "deep" / "file.txt"
    assert write_atomically(path, b"one") == path
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert [child.name for child in path.parent.iterdir()] == ["file.txt"]
    assert not list(tmp_path.rglob(UNFINISHED_FILES))


def test_a_link_is_followed(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_atomically(tmp_path / "link", b"x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"x"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are POSIX")
def test_a_pipe_is_written_to_and_stays_one(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_atomically(tmp_path / "pipe", b"x")
    assert os.read(reader, 10) == b"x"
    os.close(reader)
    assert (tmp_path / "pipe").is_fifo()


def test_what_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot write"):
        write_atomically(tmp_path / "file" / "below", b"x")


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_what_is_private_is_so_from_its_folder_down_and_nothing_above_or_beside(tmp_path):
    root = tmp_path / "run" / "vault"
    write_atomically(root / "round-0001" / "client-0000.json", b"x", private=root)
    write_atomically(tmp_path / "run" / "results.jsonl", b"x")
    assert [mode(path) for path in (root, root / "round-0001")] == [0o700, 0o700]
    assert mode(root / "round-0001" / "client-0000.json") == 0o600
    assert mode(tmp_path / "run") & 0o055, "the run folder is for everybody whom the umask lets in"
    assert mode(tmp_path / "run" / "results.jsonl") & 0o044


def test_a_file_that_others_could_read_is_replaced_by_one_that_they_cannot(tmp_path):
    (tmp_path / "old").write_bytes(b"x")
    assert mode(tmp_path / "old") & 0o044
    write_atomically(tmp_path / "old", b"y", private=tmp_path)
    assert mode(tmp_path / "old") == 0o600


def test_a_file_that_grows_is_private_from_its_first_byte(tmp_path):
    for content in (b"one", b"two"):
        with open_privately(tmp_path / "lines", "ab") as file:
            file.write(content)
    assert mode(tmp_path / "lines") == 0o600
    assert (tmp_path / "lines").read_bytes() == b"onetwo"
