"""Laws of reading a folder of one's own images."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fedleak.data.loader import loaders
from fedleak.data.splits import load
from fedleak.errors import DataError
from fedleak.tasks import image_folder


def folder(path: Path, sizes: dict[str, list[tuple[str, tuple[int, int]]]]) -> Path:
    """A folder of images whose red is 100 x their class, green and blue 0."""
    for number, (name, images) in enumerate(sizes.items()):
        (path / name).mkdir()
        for file, size in images:
            Image.new("RGB", size, (100 * number, 0, 0)).save(path / name / file)
    return path


def read(path: Path) -> tuple[torch.Tensor, list[int]]:
    examples = loaders.build("image-folder", {}).read(image_folder(path))
    return examples.inputs, examples.labels.tolist()


def test_each_subfolder_is_a_class_whatever_format_and_size(tmp_path: Path) -> None:
    images = {"a": [("1.png", (32, 32)), ("2.JPG", (90, 40))], "b": [("3.bmp", (5, 7)), ("4.gif", (32, 64))]}
    inputs, labels = read(folder(tmp_path, images))
    assert inputs.shape == (4, 3, 32, 32)
    assert labels == [0, 0, 1, 1]
    assert torch.allclose(inputs[:, 0, 16, 16] * 255, torch.tensor([0.0, 0.0, 100.0, 100.0]), atol=2)


def test_an_image_of_the_right_size_is_read_exactly_and_others_from_their_middle(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    wide = np.concatenate([np.zeros_like(pixels), pixels, np.zeros_like(pixels)], axis=1)
    folder(tmp_path, {"a": [("1.png", (3, 3))], "b": [("2.png", (3, 3))]})
    Image.fromarray(pixels).save(tmp_path / "a" / "1.png")
    Image.fromarray(wide).save(tmp_path / "b" / "2.png")
    inputs, _ = read(tmp_path)
    truth = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
    assert torch.equal(inputs[0], truth)
    assert torch.equal(inputs[1], truth)


def test_gray_palette_and_transparent_images_become_color(tmp_path: Path) -> None:
    folder(tmp_path, {"a": [("1.png", (3, 3))], "b": [("2.png", (3, 3))]})
    for mode in ("L", "P", "RGBA", "1"):
        Image.new(mode, (40, 40)).save(tmp_path / "a" / f"mode-{mode}.png")
    assert read(tmp_path)[0].shape == (6, 3, 32, 32)


def test_it_is_a_task_with_splits(tmp_path: Path) -> None:
    images = [(f"{i}.png", (32, 32)) for i in range(5)]
    folder(tmp_path, {"a": images, "b": images})
    (tmp_path / "a" / "notes.txt").write_text("not an image")
    splits = load(f"image-folder-mlp:{tmp_path}")
    assert (len(splits.clients), len(splits.test), len(splits.auxiliary)) == (6, 2, 2)


@pytest.mark.parametrize("content", [b"", b"this is no image", b"\x89PNG\r\n\x1a\nbroken"])
def test_an_unreadable_image_is_named(content: bytes, tmp_path: Path) -> None:
    folder(tmp_path, {"a": [("1.png", (32, 32))], "b": [("2.png", (32, 32))]})
    (tmp_path / "b" / "2.png").write_bytes(content)
    with pytest.raises(DataError, match=r"cannot read the image .*b/2.png .*; mend or remove it"):
        read(tmp_path)


def test_a_truncated_image_is_named(tmp_path: Path) -> None:
    folder(tmp_path, {"a": [("1.png", (32, 32))], "b": [("2.png", (300, 300))]})
    whole = (tmp_path / "b" / "2.png").read_bytes()
    (tmp_path / "b" / "2.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"b/2.png"):
        read(tmp_path)


def test_a_class_without_images_is_named(tmp_path: Path) -> None:
    folder(tmp_path, {"a": [("1.png", (32, 32))], "b": []})
    with pytest.raises(DataError, match=r"b has no images; put some there or remove the folder"):
        read(tmp_path)
