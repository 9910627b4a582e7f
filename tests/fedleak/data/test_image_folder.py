"""Laws of reading a folder of one's own images."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from fedleak.data.image_folder import read_image
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


def png(values: NDArray[np.int64], depth: int, transparent: int | None = None) -> bytes:
    """A PNG file of (height, width, channels), written by the book: none of Pillow's own writing is trusted."""
    height, width, channels = values.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    lines = b"".join(b"\0" + line.astype(">u2" if depth == 16 else "u1").tobytes() for line in values)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))]
    chunks += [] if transparent is None else [(b"tRNS", struct.pack(">H", transparent))]
    chunks += [(b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    blocks = (struct.pack(">I", len(data)) + name + data for name, data in chunks)
    sums = (struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(block + check for block, check in zip(blocks, sums, strict=True))


def tiff(values: NDArray[np.generic], bits: int, *, white_at_zero: bool = False, sample_format: int = 1) -> bytes:
    """A TIFF file of (height, width), one channel, in the byte order of the values."""
    order, magic = (">", b"MM\0*") if values.dtype.byteorder == ">" else ("<", b"II*\0")
    data = values.tobytes()
    height, width = values.shape
    interpretation = 0 if white_at_zero else 1
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: interpretation, 273: 8, 277: 1, 278: height}
    tags |= {279: len(data), 339: sample_format}
    entries = b"".join(struct.pack(order + "HHII", tag, 4, 1, value) for tag, value in tags.items())
    directory = struct.pack(order + "H", len(tags)) + entries + bytes(4)
    return magic + struct.pack(order + "I", 8 + len(data)) + data + directory


def levels(channels: int, white: int) -> NDArray[np.int64]:
    return np.random.default_rng(channels).integers(0, white + 1, (32, 32, channels))


def over_white(color: NDArray[np.float64], alpha: NDArray[np.float64]) -> NDArray[np.float64]:
    """What is seen in [0, 1] of a color with that opacity on white paper, in three channels first."""
    seen = color * alpha + (1 - alpha)
    return np.broadcast_to(seen, (32, 32, 3)).transpose(2, 0, 1)


def content_read(tmp_path: Path, name: str, content: bytes) -> NDArray[np.float64]:
    (tmp_path / name).write_bytes(content)
    return read_image(tmp_path / name, (32, 32)) / 255


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_png_of_any_depth_is_read_as_bright_as_it_is_over_white(channels: int, depth: int, tmp_path: Path) -> None:
    values = levels(channels, 2**depth - 1)
    shares = values / (2**depth - 1)
    alpha = shares[..., -1:] if channels in {2, 4} else np.ones((32, 32, 1))
    truth = over_white(shares[..., : 3 if channels > 2 else 1], alpha)
    assert np.abs(content_read(tmp_path, "1.png", png(values, depth)) - truth).max() <= 2 / 255


@pytest.mark.parametrize("depth", [8, 16])
def test_the_gray_that_a_png_calls_transparent_is_white(depth: int, tmp_path: Path) -> None:
    values = levels(1, 2**depth - 1)
    key = int(values[3, 4, 0])
    truth = over_white(values / (2**depth - 1), (values != key).astype(float))
    assert np.abs(content_read(tmp_path, "1.png", png(values, depth, key)) - truth).max() <= 1 / 255


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_gray_tiff_of_16_bits_is_scaled(order: str, tmp_path: Path) -> None:
    values = levels(1, 65535)[..., 0]
    seen = content_read(tmp_path, "1.tif", tiff(values.astype(f"{order}u2"), 16))
    assert np.abs(seen - values / 65535).max() <= 1 / 255


@pytest.mark.parametrize("white", [255, 1000, 65535])
def test_a_netpbm_file_is_scaled_by_its_own_white(white: int, tmp_path: Path) -> None:
    values = levels(1, white)[..., 0]
    content = f"P5 32 32 {white} ".encode() + values.astype(">u2" if white > 255 else "u1").tobytes()
    assert np.abs(content_read(tmp_path, "1.pgm", content) - values / white).max() <= 1 / 255


def test_a_palette_is_looked_up_and_its_transparent_color_is_white(tmp_path: Path) -> None:
    palette, places = levels(3, 255)[0], np.random.default_rng(1).integers(0, 32, (32, 32))
    image = Image.fromarray(places.astype(np.uint8))
    image.putpalette(palette.astype(np.uint8).tobytes())
    for name, options in (("whole.png", {}), ("holes.png", {"transparency": 5}), ("holes.gif", {"transparency": 5})):
        image.save(tmp_path / name, **options)
        opaque = (places != options.get("transparency", -1)).astype(float)[..., None]
        truth = over_white(palette[places] / 255, opaque)
        assert np.array_equal(read_image(tmp_path / name, (32, 32)), (255 * truth).round()), name


def test_ink_and_black_on_white_are_seen_as_on_paper(tmp_path: Path) -> None:
    ink = levels(4, 255)
    Image.fromarray(ink.astype(np.uint8), "CMYK").save(tmp_path / "ink.tif")
    paper = (255 - ink[..., :3]) * (255 - ink[..., 3:]) / 255
    assert np.abs(read_image(tmp_path / "ink.tif", (32, 32)).transpose(1, 2, 0) - paper).max() <= 1
    dots = levels(1, 1)[..., 0].astype(bool)
    Image.fromarray(dots).save(tmp_path / "dots.png")
    assert np.array_equal(read_image(tmp_path / "dots.png", (32, 32)), np.broadcast_to(255 * dots, (3, 32, 32)))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (tiff(np.ones((32, 32), "<f4"), 32, sample_format=3), "nothing says which of its 32-bit numbers"),
        (tiff(np.ones((32, 32), "<i4"), 32, sample_format=2), "nothing says which of its 32-bit numbers"),
        (tiff(np.ones((32, 32), "<i2"), 16, sample_format=2), "nothing says which of its 32-bit numbers"),
        (tiff(np.ones((32, 24), "<u2"), 12), "12 bits of gray cannot be told from 16"),
        (tiff(np.ones((32, 32), "<u2"), 16, white_at_zero=True), "its 16 bits of gray have white at 0"),
    ],
)
def test_an_image_that_nobody_knows_the_white_of_is_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"cannot read the image .*1\.tif \({reason}.*\); mend or remove it"):
        content_read(tmp_path, "1.tif", content)


@pytest.mark.parametrize("name", [".ipynb_checkpoints", ".git", "__MACOSX"])
@pytest.mark.parametrize("images", [[], [("3.png", (32, 32))]])
def test_hidden_folders_and_files_are_no_classes_and_no_images(
    name: str, images: list[tuple[str, tuple[int, int]]], tmp_path: Path
) -> None:
    folder(tmp_path, {"a": [("1.png", (32, 32)), ("._1.png", (32, 32))], "b": [("2.png", (32, 32))], name: images})
    assert image_folder(tmp_path).classes == 2
    inputs, labels = read(tmp_path)
    assert labels == [0, 1]
    assert torch.equal(inputs[:, 0, 16, 16] * 255, torch.tensor([0.0, 100.0]))


def test_a_document_that_only_pillow_writes_is_no_image(tmp_path: Path) -> None:
    folder(tmp_path, {"a": [("1.png", (32, 32)), ("2.pdf", (32, 32))], "b": [("3.png", (32, 32))]})
    assert read(tmp_path)[1] == [0, 1]


def test_it_is_a_task_with_splits(tmp_path: Path) -> None:
    images = [(f"{i}.png", (32, 32)) for i in range(5)]
    folder(tmp_path, {"a": images, "b": images})
    (tmp_path / "a" / "notes.txt").write_text("not an image")
    splits = load(f"image-folder-mlp:{tmp_path}")
    assert (len(splits.clients), len(splits.test), len(splits.auxiliary)) == (6, 2, 2)


@pytest.mark.parametrize("content", [b"", b"this is no image", b"\x89PNG\r\n\x1a\nbroken", b"DDS |" + bytes(123)])
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
