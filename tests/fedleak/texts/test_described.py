"""A user's own text as a task: read from a file or a folder, described by its public part, refused where it is none."""

from pathlib import Path

import pytest

from fedleak.data.splits import load
from fedleak.errors import FedleakError, UserError
from fedleak.learning.space import Text, space_of_source
from fedleak.learning.text import OTHER
from fedleak.settings.task import TaskSettings
from fedleak.tasks import source_of, task_of
from fedleak.texts.described import ALWAYS, CHARACTERS, alphabet_of, corpus_of

WORDS = "Ein Käfer läuft, und der Hase auch: 3 Tage lang! "


@pytest.fixture
def letters(tmp_path: Path) -> Path:
    file = tmp_path / "letters.txt"
    file.write_text("\ufeff" + WORDS * 20, encoding="utf-8")
    return file


def test_a_text_is_a_task_by_its_path(letters: Path) -> None:
    task = task_of(f"text:{letters}")
    assert isinstance(task.space, Text)
    assert task.space.alphabet == f"{ALWAYS}!,:ä{OTHER}"
    assert (task.shape, task.classes) == ((16,), len(task.space.alphabet))
    assert task_of(f"text-gru:{letters}").space == task.space
    assert task_of(f"text-mlp:{letters}").space == task.space


def test_a_folder_is_its_texts_one_after_the_other(letters: Path) -> None:
    below = letters.parent / "more"
    below.mkdir()
    (below / "b.txt").write_text("zuletzt", encoding="utf-8")
    (below / "notes.md").write_text("nothing", encoding="utf-8")
    text = corpus_of(source_of(f"text:{letters.parent}")).text
    assert text == f"{WORDS * 20}zuletzt"


def test_the_alphabet_is_that_of_the_public_part(letters: Path) -> None:
    length = len(WORDS) * 20
    piece = length // 5
    text = "a" * piece * 3 + "$" * piece + "§" * piece
    letters.write_text(text, encoding="utf-8")
    task = task_of(f"text:{letters}")
    assert isinstance(task.space, Text)
    assert "$" in task.space.alphabet
    assert "§" not in task.space.alphabet
    splits = load(source_of(f"text:{letters}"))
    assert set(splits.auxiliary.labels.tolist()) == {task.space.alphabet.index("$")}
    assert splits.clients.space == space_of_source(source_of(f"text:{letters}"))


def test_an_alphabet_has_no_more_than_its_most(letters: Path) -> None:
    letters.write_text("".join(map(chr, range(0x4E00, 0x4E00 + 2_000))), encoding="utf-8")
    alphabet = alphabet_of(corpus_of(source_of(f"text:{letters}")))
    assert len(alphabet) == CHARACTERS
    assert len(set(alphabet)) == CHARACTERS


def test_options_say_how_long_a_window_is(letters: Path) -> None:
    for data in (f"text:{letters}", "pydoc"):
        assert task_of(TaskSettings(data=data, network="gru", data_options={"length": 7})).shape == (7,)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"length": 0}, "task.data_options.length: expected greater than or equal to 1, got 0"),
        ({"length": 1000}, "letters.txt: expected a text of 5005 characters or more, so that each part has more than"),
        ({"lengths": 3}, r"task.data_options.lengths: unknown field; did you mean 'length'\?"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, object], said: str, letters: Path) -> None:
    with pytest.raises(FedleakError, match=said) as caught:
        task_of(TaskSettings(data=f"text:{letters}", network="gru", data_options=options))
    assert isinstance(caught.value, UserError)


def test_files_that_are_no_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FedleakError, match=r"expected a file of text, .*none.txt is none; give the path of one"):
        task_of(f"text:{tmp_path}/none.txt")
    with pytest.raises(FedleakError, match=r"expected files of text in .*, found no .txt; give another folder"):
        task_of(f"text:{tmp_path}")
    (tmp_path / "latin.txt").write_bytes("Käfer".encode("latin-1") * 100)
    with pytest.raises(FedleakError, match=r"latin.txt: cannot be read as text in UTF-8 .*; save it as such"):
        task_of(f"text:{tmp_path}/latin.txt")
    (tmp_path / "empty.txt").write_text("\n", encoding="utf-8")
    with pytest.raises(FedleakError, match=r"empty.txt: expected a text of 85 characters or more"):
        task_of(f"text:{tmp_path}/empty.txt")
    with pytest.raises(FedleakError, match=r"network 'gru' is for texts, and the examples are 1x8x8 images"):
        task_of("digits-gru")
