"""What is public about the data that a table names, and the sentence where the table does not say enough."""

import pytest
from PIL import Image

from fedleak.contracts.data import OWN, source_of_table
from fedleak.errors import ConfigError, DataError
from fedleak.learning.source import Source
from fedleak.settings.task import TaskSettings


def source(data: str, **table: object) -> Source:
    return source_of_table(TaskSettings.model_validate({"data": data, "network": "mlp", **table}, strict=False))


def test_ours_have_a_shape_of_their_own() -> None:
    assert source("photos").shape == (3, 32, 32)
    assert source("photos", shape=(3, 32, 32), classes=10) == source("photos")


def test_an_image_folder_is_read_at_any_size(tmp_path) -> None:
    for name in ("cats", "dogs"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (20, 20)).save(tmp_path / name / "one.png")
    assert source(f"image-folder:{tmp_path}").shape == (3, 32, 32)
    found = source(f"image-folder:{tmp_path}", size=224)
    assert (found.shape, found.classes, found.path) == ((3, 224, 224), 2, tmp_path)


def test_what_has_to_be_read_is_described_beside_it() -> None:
    found = source("flowers:Flowers", shape=(4, 16, 16), classes=5, folder="/somewhere", data_options={"count": 9})
    assert (found.loader, found.reference, str(found.path)) == (OWN, "flowers:Flowers", "/somewhere")
    assert found.options == '{"count": 9}'
    assert source("torchvision:SVHN", size=32, classes=10).loader == "torchvision"


@pytest.mark.parametrize(
    ("data", "table", "error", "sentence"),
    [
        ("photo", {}, ConfigError, "task.data: no data set is called 'photo'; did you mean 'photos'?"),
        ("photos", {"size": 64}, ConfigError, "task.size: 'photos' is (3, 32, 32) and takes none"),
        ("photos", {"shape": (3, 16, 16)}, ConfigError, "task.shape: 'photos' is (3, 32, 32), got (3, 16, 16)"),
        ("photos", {"classes": 4}, ConfigError, "task.classes: 'photos' has 10, got 4"),
        ("photos", {"data_options": {"a": 1}}, ConfigError, "task.data_options: 'photos'"),
        ("flowers:Flowers", {"classes": 5}, ConfigError, "expected a shape and a number of classes"),
        ("torchvision:SVHN", {"size": 32}, ConfigError, "expected a shape and a number of classes"),
        ("image-folder:/nowhere/at/all", {}, DataError, "/nowhere/at/all is none"),
    ],
)
def test_a_table_that_says_too_little_or_too_much_is_refused(data, table, error, sentence) -> None:
    with pytest.raises(error) as refused:
        source(data, **table)
    assert sentence in str(refused.value)
