"""A user's function or data set is read as it is, or refused in a sentence that says what it should have been."""

import textwrap

import pytest
import torch

from fedleak.data.splits import Splits, load
from fedleak.errors import DataError
from fedleak.settings.task import TaskSettings
from fedleak.tasks import source_of

pytestmark = pytest.mark.usefixtures("own_modules")
MODULE = """
    import numpy as np, torch
    from PIL import Image
    from torch.utils.data import Dataset, IterableDataset

    rng = np.random.default_rng(0)
    images = rng.random((40, 3, 8, 8), dtype=np.float32)
    labels = np.arange(40) % 4

    def arrays(scale=1.0): return images * scale, labels
    def tensors(): return torch.tensor(images), torch.tensor(labels)
    ready = (images, labels)
    def bytes_(): return (images * 255).astype(np.uint8), labels
    def bright(): return images * 255, labels
    def small(): return images[:, :, :4], labels
    def soft(): return images, np.eye(4, dtype=np.float32)[labels]
    def fifth(): return images, labels + 1
    def few(): return images[:3], labels[:3]
    sets = np.stack([labels == 0, labels < 3, labels > 1, labels < 0], axis=1)
    def tags(): return images, sets
    def halves(): return images, sets / 2
    def narrow(): return images, sets[:, :3]
    def nothing(): return None
    def raising(): raise OSError("no disk")
    def ragged(): return [[1], [2, 3]], labels

    class Items(Dataset):
        def __init__(self, kind="tensor"): self.kind = kind
        def __len__(self): return 40
        def __getitem__(self, place):
            image, label = images[place], int(labels[place])
            if self.kind == "pillow":
                return Image.fromarray((image.transpose(1, 2, 0) * 255).astype(np.uint8)).resize((16, 20)), label
            if self.kind == "numpy":
                return image, np.int64(label)
            if self.kind == "alone":
                return torch.tensor(image)
            if self.kind == "words":
                return torch.tensor(image), "cat"
            if self.kind == "tags":
                return image, sets[place].tolist()
            if self.kind == "narrow":
                return image, sets[place][:2]
            if self.kind == "odd" and place == 7:
                raise KeyError("seven")
            if self.kind == "cut":
                return torch.tensor(image[:, :5]), label
            return torch.tensor(image), torch.tensor(label)

    class Stream(IterableDataset):
        def __iter__(self): return iter([])
"""


def images(splits: Splits) -> set[tuple[bytes, int]]:
    """Every image with its label, whoever holds it."""
    parts = (splits.clients, splits.test, splits.auxiliary)
    return {(x.numpy().tobytes(), int(y)) for part in parts for x, y in zip(part.inputs, part.labels, strict=True)}


@pytest.fixture
def read(tmp_path):
    (tmp_path / "strangers_data.py").write_text(textwrap.dedent(MODULE))

    def read(name: str, *, several_labels: bool = False, **options: object):
        table = {"data": f"strangers_data:{name}", "network": "mlp", "shape": (3, 8, 8), "classes": 4}
        table |= {"data_options": options, "folder": str(tmp_path), "several_labels": several_labels}
        return load(source_of(TaskSettings.model_validate(table)))

    return read


@pytest.mark.parametrize("name", ["arrays", "tensors", "ready", "Items"])
def test_functions_arrays_and_data_sets_give_the_same_examples(read, name: str) -> None:
    splits, arrays = read(name), read("arrays")
    assert [len(part) for part in (splits.clients, splits.test, splits.auxiliary)] == [24, 8, 8]
    assert images(splits) == images(arrays)
    assert splits.clients.labels.dtype == torch.int64


def test_options_reach_the_function_and_pillow_images_are_fitted(read) -> None:
    assert read("arrays", scale=0.5).clients.inputs.max() <= 0.5
    assert read("Items", kind="pillow").clients.inputs.shape[1:] == (3, 8, 8)
    assert images(read("Items", kind="numpy")) == images(read("arrays"))


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("bytes_", {}, "as floats in [0, 1], got torch.uint8; divide them by their largest value"),
        ("bright", {}, "strangers_data:bright: expected values in [0, 1]"),
        ("small", {}, "strangers_data:small: expected 3x8x8 images, got (3, 4, 8)"),
        ("soft", {}, "as a class index for each example, got torch.float32 of shape (40, 4)"),
        ("fifth", {}, "expected labels from 0 to 3, got 1 to 4"),
        ("few", {}, "expected 5 examples or more to split, got 3"),
        ("nothing", {}, "to give inputs and labels, or a data set with a length and items, got NoneType"),
        ("raising", {}, "strangers_data:raising raises OSError: no disk"),
        ("arrays", {"size": 3}, "strangers_data:arrays raises TypeError"),
        ("ragged", {}, "as an array, got list"),
        ("Stream", {}, "or a data set with a length and items, got Stream"),
        ("Items", {"kind": "alone"}, "expected items (input, label), got Tensor at 0"),
        ("Items", {"kind": "words"}, "expected a class index as label, got str in item 0"),
        ("Items", {"kind": "odd"}, "item 7 cannot be read: KeyError"),
        (
            "Items",
            {"kind": "cut"},
            "expected inputs of shape (3, 8, 8) as floats in [0, 1], got torch.float32",
        ),
    ],
)
def test_what_is_no_data_is_refused(read, name, options, sentence) -> None:
    with pytest.raises(DataError) as refused:
        read(name, **options)
    assert sentence in str(refused.value)


def test_sets_of_labels_are_rows_of_zeros_and_ones(read) -> None:
    function, items = read("tags", several_labels=True), read("Items", kind="tags", several_labels=True)
    for splits in (function, items):
        whole = torch.cat([part.labels for part in (splits.clients, splits.test, splits.auxiliary)])
        assert whole.dtype == torch.int64
        assert whole.sum(0).tolist() == [10, 30, 20, 0]


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("arrays", {"several_labels": True}, "a row of 4 zeros and ones for each example, as task.several_labels says"),
        ("halves", {"several_labels": True}, "got torch.float64 of shape (40, 4) with other values"),
        ("narrow", {"several_labels": True}, "got torch.bool of shape (40, 3)"),
        ("Items", {"several_labels": True, "kind": "narrow"}, "item 0: expected labels as a row of 4 zeros and ones"),
        ("Items", {"several_labels": True}, "item 0: expected labels as a row of 4 zeros and ones"),
        ("tags", {}, "expected the labels of strangers_data:tags as a class index for each example, got torch.bool"),
    ],
)
def test_rows_and_indices_are_not_taken_for_each_other(read, name, options, sentence) -> None:
    with pytest.raises(DataError) as refused:
        read(name, **options)
    assert sentence in str(refused.value)
