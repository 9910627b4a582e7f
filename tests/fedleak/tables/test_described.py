"""A user's own table as a task: read from a file, described, trained on, and refused in a sentence where it is none."""

from pathlib import Path

import pytest

from fedleak.data.splits import load
from fedleak.errors import FedleakError, UserError
from fedleak.learning.space import Table, space_of_source
from fedleak.settings.task import TaskSettings
from fedleak.tasks import source_of, task_of

HEADER = "age;pay;town;ill"
LINES = [f"{20 + row};{7 * row % 11};{'Ulm' if row % 3 else '?'};{'yes' if row % 2 else 'no'}" for row in range(40)]


@pytest.fixture
def people(tmp_path: Path) -> Path:
    file = tmp_path / "people.csv"
    file.write_text("\ufeff" + "\n".join([HEADER, "", "|a remark", *LINES]) + "\n", encoding="utf-8")
    return file


def test_a_table_is_a_task_by_its_path(people: Path) -> None:
    task = task_of(f"csv-mlp:{people}")
    assert isinstance(task.space, Table)
    assert [column.name for column in task.space.columns] == ["age", "pay", "town"]
    assert (task.shape, task.classes, task.space.label) == ((4,), 2, "ill")
    assert task.space.classes == ("no", "yes")
    assert task_of(f"csv:{people}").space == task.space


def test_who_holds_which_row_is_what_its_columns_were_described_by(people: Path) -> None:
    source = source_of(f"csv:{people}")
    splits = load(source)
    assert [len(part) for part in (splits.clients, splits.test, splits.auxiliary)] == [24, 8, 8]
    assert splits.auxiliary.inputs[:, 0].mean().abs() < 1e-6
    assert splits.clients.space == space_of_source(source)


def test_options_choose_the_label_and_kinds(people: Path) -> None:
    options = {"label": "age", "above": 40, "ignore": ["town"]}
    task = task_of(TaskSettings(data=f"csv:{people}", network="mlp", data_options=options))
    assert isinstance(task.space, Table)
    assert task.space.classes == ("up to 40", "above 40")
    assert [column.name for column in task.space.columns] == ["pay", "ill"]


def test_categories_that_are_merged_are_one(people: Path) -> None:
    options = {"categories": ["pay"], "merged": {"pay": {"little": ["0", "1", "2"], "much": ["9", "10"]}}}
    space = task_of(TaskSettings(data=f"csv:{people}", network="mlp", data_options=options)).space
    assert isinstance(space, Table)
    assert space.column("pay").values == ("3", "4", "5", "6", "7", "8", "little", "much")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"label": "il"}, r"label: .*people.csv has no column 'il'; did you mean 'ill'\?$"),
        ({"numbers": ["ill"]}, "numbers: 'ill' is the label; name another column"),
        ({"ignore": ["age", "pay", "town"]}, "expected a column beside the label 'ill', got none"),
        ({"numbers": ["town"]}, "column 'town' is said to be numbers, and has 'Ulm'"),
        ({"label": "age"}, "expected 2 to 20 classes in the label 'age', got 40; name"),
        ({"label": "town"}, "expected a label in each row, and 'town' is missing in some"),
        ({"above": 3}, "expected numbers in 'ill' to compare with 3, got 'no'"),
        ({"label": "age", "above": 99}, "'age' is up to 99 in all rows; compare with another number"),
        ({"labels": "age"}, r"task.data_options.labels: unknown field; did you mean 'label'\?"),
        ({"merged": {"twn": {"a": ["Ulm"]}}}, r"merged: .*people.csv has no column 'twn'; did you mean 'town'"),
        ({"merged": {"town": {"a": ["Ulmm"]}}}, r"merged.town: .* no such category 'Ulmm'; did you mean 'Ulm'"),
        ({"ignore": "age"}, "task.data_options.ignore: expected .*, got 'age'"),
    ],
)
def test_options_that_do_not_fit_the_table_are_refused(people: Path, options, said) -> None:
    with pytest.raises(UserError, match=said) as refusal:
        task_of(TaskSettings(data=f"csv:{people}", network="mlp", data_options=options))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n", "expected a line of names and rows below it, got 1 lines"),
        ("a,b\n1,2\n3\n", "expected 2 cells in each row, got 1 in row 3"),
        ("a,a\n1,2\n3,4\n", "expected each column once, got 'a' several times"),
        ("a,b\n" + "1,2\n" * 4, "expected 2 to 20 classes in the label 'b', got 1"),
        (b"a,b\n\xff\xfe,1\n", "cannot be read as comma-separated values in UTF-8"),
        (None, "expected a table of comma-separated values, .* is no file; give the path of one"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, text, said) -> None:
    file = tmp_path / "table.csv"
    if text is not None:
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=said):
        task_of(f"csv:{file}")


def test_a_network_of_images_is_refused(people: Path) -> None:
    with pytest.raises(FedleakError, match="network 'lenet' is for images, and the examples are rows of 3 columns"):
        task_of(f"csv-lenet:{people}")
    with pytest.raises(FedleakError, match="network 'vit' is for images"):
        task_of(TaskSettings(data=f"csv:{people}", network="vit"))
