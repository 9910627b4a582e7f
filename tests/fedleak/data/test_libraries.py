"""Any data set of torchvision and of Hugging Face, by its name, from files that a test writes."""

import numpy as np
import pytest
from PIL import Image

from fedleak.data.splits import load
from fedleak.errors import ConfigError, DataError
from fedleak.settings.task import TaskSettings
from fedleak.tasks import source_of


def read(data: str, options: dict[str, object] | None = None):
    table = {"data": data, "network": "mlp", "size": 8, "classes": 3, "data_options": options or {}}
    return load(source_of(TaskSettings.model_validate(table)))


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Thirty images in three classes, as an image folder, whose name torchvision's EuroSAT goes by too."""
    rng = np.random.default_rng(0)
    root = tmp_path / "eurosat" / "2750"
    for label in ("Forest", "Lake", "River"):
        (root / label).mkdir(parents=True)
        for number in range(10):
            pixels = rng.integers(0, 256, (12, 10, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / label / f"{number}.png")
    monkeypatch.setenv("FEDLEAK_DATA", str(tmp_path))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    return root


def test_torchvisions_data_sets_are_read_from_their_files(folders) -> None:
    splits = read("torchvision:EuroSAT")
    assert len(splits.clients) + len(splits.test) + len(splits.auxiliary) == 30
    assert splits.clients.inputs.shape[1:] == (3, 8, 8)
    assert sorted(set(splits.clients.labels.tolist())) == [0, 1, 2]


def test_options_reach_the_data_set(folders) -> None:
    splits = read("torchvision:FakeData", {"size": 25, "image_size": [3, 9, 9], "num_classes": 3})
    assert len(splits.clients) == 15


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "options", "error", "sentence"),
    [
        (
            "torchvision:CIFAR11",
            {},
            ConfigError,
            "torchvision has no data set called 'CIFAR11'; did you mean",
        ),
        ("torchvision:EuroSAT", {"colour": 1}, ConfigError, "task.data_options: EuroSAT refuses"),
        ("huggingface:/nowhere/at/all", {}, DataError, "huggingface:/nowhere/at/all: cannot be loaded"),
    ],
)
def test_what_is_not_there_is_one_sentence(folders, data, options, error, sentence) -> None:
    with pytest.raises(error) as refused:
        read(data, options)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.slow
def test_a_folder_of_images_is_a_data_set_of_hugging_face(folders) -> None:
    splits = read(f"huggingface:{folders}")
    assert len(splits.clients) + len(splits.test) + len(splits.auxiliary) == 30
    with pytest.raises(ConfigError, match="has no column picture; it has image, label"):
        read(f"huggingface:{folders}", {"image": "picture"})
