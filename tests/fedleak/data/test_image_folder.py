"""Laws of reading a folder of one's own images."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from fedleak.contracts.source import image_folder
from fedleak.data.image_folder import read_image
from fedleak.data.loader import loaders
from fedleak.data.splits import load
from fedleak.errors import DataError


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


def png(values: NDArray[np.int64], depth: int, transparent: NDArray[np.int64] | None = None) -> bytes:
    """A PNG file of (height, width, channels), written by the book: none of Pillow's own writing is trusted."""
    height, width, channels = values.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    bits = (values.reshape(height, -1, 1) >> np.arange(depth)[::-1]) & 1
    lines = b"".join(b"\0" + np.packbits(line.astype(bool)).tobytes() for line in bits)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))]
    chunks += [] if transparent is None else [(b"tRNS", transparent.astype(">u2").tobytes())]
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


@pytest.mark.parametrize(("channels", "depth"), [(1, 1), (1, 2), (1, 4), (1, 8), (1, 16), (3, 8)])
def test_the_color_that_a_png_calls_transparent_is_white(channels: int, depth: int, tmp_path: Path) -> None:
    values = levels(channels, 2**depth - 1)
    values[3, 4] = key = 2 ** (depth - 1) + np.arange(channels)
    opaque = (values != key).any(-1, keepdims=True).astype(float)
    truth = over_white(values / (2**depth - 1), opaque)
    assert np.abs(content_read(tmp_path, "1.png", png(values, depth, key)) - truth).max() <= 1 / 255


def test_a_transparent_color_that_8_bits_cannot_tell_from_others_is_refused(tmp_path: Path) -> None:
    values = levels(3, 65535)
    with pytest.raises(DataError, match=r"1\.png \(its transparent color has 16 bits, .*\); mend or remove it"):
        content_read(tmp_path, "1.png", png(values, 16, values[3, 4]))


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


def noise(path: Path, seeds: dict[str, int]) -> Path:
    """A folder of images of noise, by file."""
    for file, seed in seeds.items():
        (path / file).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path / file)
    return path


def test_a_class_is_what_is_anywhere_below_its_folder_its_own_files_first(tmp_path: Path) -> None:
    files = ["a/2.png", "a/z.png", "a/1/3.png", "a/1/deep/1.png", "a/y/0.png", "b/1.png"]
    noise(tmp_path, {file: seed for seed, file in enumerate(files)})
    noise(tmp_path, {"a/.hidden/1.png": 7, "a/__MACOSX/1.png": 8})
    (tmp_path / "a" / "folder.png").mkdir()
    (tmp_path / "a" / "nowhere.png").symlink_to(tmp_path / "none.png")
    inputs, labels = read(tmp_path)
    assert labels == [0, 0, 0, 0, 0, 1]
    assert torch.equal(inputs, torch.cat([read_one(tmp_path / file) for file in files]))


def read_one(file: Path) -> torch.Tensor:
    return torch.from_numpy(read_image(file, (32, 32)).copy()).float()[None] / 255


def test_what_several_links_lead_to_is_read_once_and_in_no_circle(tmp_path: Path) -> None:
    noise(tmp_path, {f"{label}/{i}.png": i for i, label in enumerate("ab" * 4)})
    (tmp_path / "a" / "copy.png").symlink_to(tmp_path / "a" / "0.png")
    (tmp_path / "b" / "other.png").symlink_to(tmp_path / "a" / "0.png")
    (tmp_path / "a" / "again").symlink_to(tmp_path / "a")
    (tmp_path / "b" / "everything").symlink_to(tmp_path)
    (tmp_path / "b" / "itself.png").symlink_to(tmp_path / "b" / "itself.png")
    assert read(tmp_path)[1] == [0] * 4 + [1] * 4


def test_a_class_of_nothing_but_links_to_another_s_is_named(tmp_path: Path) -> None:
    noise(tmp_path, {"a/1.png": 1, "b/2.png": 2})
    (tmp_path / "c").symlink_to(tmp_path / "a")
    with pytest.raises(DataError, match=r"c has no images; .* \(a link to another class's image is none\)"):
        read(tmp_path)


def test_no_copy_of_a_private_image_is_public_or_tested_on(tmp_path: Path) -> None:
    noise(tmp_path, {f"{label}/{copy}-{i}.png": i for i in range(20) for copy in range(3) for label in "ab"})
    splits = load(f"image-folder-mlp:{tmp_path}")
    parts = (splits.clients, splits.test, splits.auxiliary)
    images = [{image.numpy().tobytes() for image in part.inputs} for part in parts]
    assert [len(part) for part in parts] == [72, 24, 24]
    assert [len(held) for held in images] == [12, 4, 4]
    assert len(set.union(*images)) == 20


def test_it_is_a_task_with_splits(tmp_path: Path) -> None:
    noise(tmp_path, {f"{label}/{i}.png": i for i, label in enumerate("ab" * 5)})
    (tmp_path / "a" / "notes.txt").write_text("not an image")
    splits = load(f"image-folder-mlp:{tmp_path}")
    assert (len(splits.clients), len(splits.test), len(splits.auxiliary)) == (6, 2, 2)


WHITE_CORNER = np.zeros((16, 16), dtype=np.uint8)
WHITE_CORNER[:8, :8] = 255
UPRIGHT = {1: [[1, 0], [0, 0]], 2: [[0, 1], [0, 0]], 3: [[0, 0], [0, 1]], 4: [[0, 0], [1, 0]]}
UPRIGHT |= {5: UPRIGHT[1], 6: UPRIGHT[2], 7: UPRIGHT[3], 8: UPRIGHT[4]}


@pytest.mark.parametrize("name", ["1.jpg", "1.png", "1.webp", "1.tif"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_an_image_is_turned_as_its_file_says(orientation: int, name: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x112] = orientation
    Image.fromarray(WHITE_CORNER).convert("RGB").save(tmp_path / name, exif=exif)
    assert (read_image(tmp_path / name, (2, 2))[0] > 127).tolist() == UPRIGHT[orientation]


def exif_block(*, tag: int, kind: int, value: bytes) -> bytes:
    """An EXIF block of orientation 6 and another tag."""
    entries = [struct.pack(">HHIHH", 0x112, 3, 1, 6, 0), struct.pack(">HHI", tag, kind, len(value)) + value]
    return b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">H", 2) + b"".join(entries) + bytes(4)


@pytest.mark.parametrize(
    ("block", "turned"),
    [
        (exif_block(tag=0x11A, kind=2, value=b"72\0\0"), True),
        (exif_block(tag=0x8769, kind=4, value=b"\0\0\xff\xff"), True),
        (exif_block(tag=0x132, kind=12, value=b"12\0\0"), True),
        (exif_block(tag=0x132, kind=2, value=b"12\0\0").replace(b"\x01\x12\0\x03", b"\x01\x12\0\x02"), False),
        (exif_block(tag=0x132, kind=2, value=b"12\0\0")[:30], True),
        (b"Exif\0\0MM\0*\0\0", False),
        (b"Exif\0\0this is no block", False),
    ],
)
def test_a_damaged_exif_block_does_not_keep_pixels_from_being_read(block: bytes, turned: bool, tmp_path: Path) -> None:
    Image.fromarray(WHITE_CORNER).save(tmp_path / "1.jpg", exif=block)
    assert (read_image(tmp_path / "1.jpg", (2, 2))[0] > 127).tolist() == UPRIGHT[6 if turned else 1]


@pytest.mark.parametrize("error", [TypeError, struct.error, AttributeError, IndexError, ZeroDivisionError, MemoryError])
def test_whatever_a_decoder_raises_the_file_is_named(
    error: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise error

    monkeypatch.setattr(Image.Image, "convert", failing)
    Image.fromarray(WHITE_CORNER).save(tmp_path / "1.bmp")
    with pytest.raises(DataError, match=r"cannot read the image .*1\.bmp \(\w+\); mend or remove it"):
        read_image(tmp_path / "1.bmp", (2, 2))


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
