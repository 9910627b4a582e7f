"""Diary: lines come back as they were written, and whatever ends a round leaves those before it."""

from pathlib import Path

import pytest
import torch

from fedleak.contracts.chain import Chain
from fedleak.errors import OutputError, RecordingError
from fedleak.learning.facts import LocalTraining
from fedleak.recording.diary import RELAY, Diary, Line, append, begin, read_columns, read_diary, write_columns
from fedleak.settings.columns import Split
from fedleak.settings.task import TaskSettings


def line(step: int) -> Line:
    question, answer = {"rows": torch.arange(step)}, {"embedding": torch.full((step, 2), float(step))}
    return Line(step=step, asked="forward", party=1, question=question, answer=answer)


def diary(who=1) -> Diary:
    return Diary(
        settings=TaskSettings.model_validate("digits-mlp"),
        split=Split(parties=2, columns=((0, 1, 2), (3, 4, 5, 6, 7)), cut="2"),
        who=who,
        round=3,
        training=LocalTraining(batch_size=8),
        chain=Chain(),
        defense="none",
        seed=5,
        weights={} if who == RELAY else {"bottoms.1.1.weight": torch.rand(4, 4)},
    )


def written(folder: Path, who=1, *lines: Line) -> Path:
    begin(folder, diary(who))
    append(folder, who, 3, *lines)
    return folder / diary(who).stem


@pytest.mark.parametrize("who", [1, RELAY])
def test_it_comes_back_as_it_was_written(tmp_path, who):
    stem = written(tmp_path, who, line(1), line(2))
    append(tmp_path, who, 3, line(3))
    for path in (stem, stem.with_suffix(".json"), stem.with_suffix(".lines")):
        read = read_diary(path)
        assert (read.settings, read.split, read.who, read.round, read.training, read.seed) == (
            diary().settings, diary().split, who, 3, diary().training, 5
        )  # fmt: skip
        assert [one.to_bytes() for one in read.lines] == [line(step).to_bytes() for step in (1, 2, 3)]
        assert torch.equal(read.lines[1].answer["embedding"], line(2).answer["embedding"])


def test_a_line_that_was_cut_short_is_left_out(tmp_path):
    lines = written(tmp_path, 1, line(1), line(2)).with_suffix(".lines")
    content = lines.read_bytes()
    for size in (len(content) - 1, len(line(1).to_bytes()) + 3):
        lines.write_bytes(content[:size])
        assert [one.step for one in read_diary(lines).lines] == [1]


def test_a_round_that_begins_again_begins_empty(tmp_path):
    written(tmp_path, 1, line(1))
    assert [one.step for one in read_diary(written(tmp_path, 1, line(2))).lines] == [2]


@pytest.mark.parametrize("content", [b"{}", b'{"format": "fedleak-diary-1"}', b"no json"])
def test_what_is_no_diary_is_said_in_a_sentence(tmp_path, content):
    stem = written(tmp_path)
    stem.with_suffix(".json").write_bytes(content)
    with pytest.raises(RecordingError, match="client-0001"):
        read_diary(stem)


def test_damaged_lines_are_said_in_a_sentence(tmp_path):
    stem = written(tmp_path)
    stem.with_suffix(".lines").write_bytes(b"\x04" + b"\0" * 7 + b"oops")
    with pytest.raises(RecordingError, match="damaged"):
        read_diary(stem)


def test_a_diary_that_cannot_grow_is_said_in_a_sentence(tmp_path):
    written(tmp_path).with_suffix(".lines").unlink()
    (tmp_path / diary().stem).with_suffix(".lines").mkdir()
    with pytest.raises(OutputError, match="cannot write"):
        append(tmp_path, 1, 3, line(1))


def test_columns_are_written_once(tmp_path):
    write_columns(tmp_path, 0, {"inputs": torch.zeros(2, 3), "labels": torch.zeros(2)})
    write_columns(tmp_path, 0, {"inputs": torch.ones(2, 3)})
    assert torch.equal(read_columns(tmp_path, 0)["inputs"], torch.zeros(2, 3))
