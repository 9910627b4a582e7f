"""Adult from files of the archive's form: with names and without, with what is missing, and its test part."""

from pathlib import Path

import pytest

from fedleak.data.splits import load
from fedleak.errors import DataError
from fedleak.learning.space import Table
from fedleak.learning.table import MISSING
from fedleak.tables.adult import NAMES
from fedleak.tasks import source_of, task_of


def person(row: int, end: str = "") -> str:
    work, sex = ("Private", "?", "State-gov")[row % 3], ("Male", "Female")[row % 2]
    marriage, pay = ("Divorced", "Never-married")[row // 2 % 2], ("<=50K", ">50K")[row % 4 == 0]
    about = (
        f"{work}, {1000 + row}, {('HS-grad', '11th')[row % 2]}, {8 + row % 3}, {marriage}, Sales, Wife, White, {sex}"
    )
    other = f"{('Cuba', 'Peru')[row % 2]}"
    about = about.replace("Sales, Wife, White", ("Sales, Wife, White", "Other, Husband, Black")[row % 2])
    return f"{20 + row}, {about}, {row * 10}, {row}, {30 + row % 7}, {other}, {pay}{end}"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    (tmp_path / "adult.data").write_text("\n".join(person(row) for row in range(40)) + "\n\n")
    (tmp_path / "adult.test").write_text(
        "|1x3 Cross validator\n" + "\n".join(person(row, ".") for row in range(40, 60)) + "\n"
    )
    return tmp_path


def test_both_files_are_one_table_of_fourteen_columns(archive: Path) -> None:
    task = task_of(f"adult-mlp:{archive}")
    assert isinstance(task.space, Table)
    assert tuple(column.name for column in task.space.columns) == NAMES[:-1]
    assert task.space.classes == ("<=50K", ">50K")
    assert task.space.column("workclass").values == ("Private", "State-gov", MISSING)
    assert not task.space.column("education-num").is_category
    splits = load(source_of(f"adult-mlp:{archive}"))
    assert len(splits.clients) + len(splits.test) + len(splits.auxiliary) == 60


def test_a_line_of_names_is_no_person(archive: Path) -> None:
    before = task_of(f"adult:{archive / 'adult.data'}").space
    named = archive / "named.data"
    named.write_text(", ".join(NAMES) + "\n" + (archive / "adult.data").read_text())
    assert task_of(f"adult:{named}").space == before


def test_what_is_no_adult_is_refused(archive: Path, tmp_path: Path) -> None:
    (archive / "adult.data").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"adult: expected 15 columns in .*, got 2; give another as csv:PATH"):
        task_of(f"adult:{archive}")
    (archive / "adult.data").unlink()
    with pytest.raises(DataError, match=r"adult: expected adult.data in .*, found none; unpack https://"):
        task_of(f"adult:{tmp_path}")
