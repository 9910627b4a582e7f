"""An image folder of one's own."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, PngImagePlugin, TiffImagePlugin

from fedleak.contracts.source import IMAGE_FOLDER, class_folders
from fedleak.data.loader import Loader, batch_of, loaders
from fedleak.errors import DataError, first_line
from fedleak.learning.batch import Batch
from fedleak.learning.source import Source

GRAY16 = ("I;16", "I;16L", "I;16B", "I;16N")
"""Pillow's modes of one channel of 16 bits."""
UNBOUNDED = ("I", "F")
"""Pillow's modes of 32 bits: numbers without a black and a white."""
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns an image upright, by the orientation that its EXIF block says."""
KEY_SCALES = {"L;2": 85, "L;4": 17}
"""How many times a gray of 2 or 4 bits Pillow makes of it in 8, while the transparent one stays what it is."""
BLACK_IS_ZERO = 1
"""The photometric interpretation of most gray TIFF files."""


@loaders.register(IMAGE_FOLDER)
@dataclass(frozen=True, kw_only=True)
class ImageFolder(Loader):
    """The images below `source.path`, one subfolder a class in the order of their names.

    Each image is turned upright, laid over white where it is transparent, scaled so that its shorter side fits, and its
    middle cropped. Folders within a class belong to it; a file that several links lead to is one example, of the first
    of its classes. Files that Pillow cannot open (notes, thumbnails' databases) and what is hidden are passed over.
    """

    paper: ClassVar = "https://github.com/pytorch/vision"
    cites: ClassVar = "torchvision2016"

    def read(self, source: Source) -> Batch:
        assert source.path is not None, "an image-folder source always has its path"
        folders = class_folders(source.path)
        taken = {folder.resolve() for folder in folders}
        classes = [images_in(folder, taken) for folder in folders]
        pixels = [read_image(file, (source.shape[1], source.shape[2])) for files in classes for file in files]
        labels = np.repeat(np.arange(len(classes)), [len(files) for files in classes])
        return batch_of(np.stack(pixels), labels, white=255.0)


def images_in(folder: Path, taken: set[Path]) -> list[Path]:
    """The image files of a class that are not `taken`, and now are; raises `DataError` where there are none."""
    endings = {ending for ending, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    files = _files_below(folder, endings, taken)
    if not files:
        raise DataError(
            f"image-folder: {folder} has no images; put some there or remove the folder (a link to another class's "
            "image is none)"
        )
    return files


def _files_below(folder: Path, endings: set[str], taken: set[Path]) -> list[Path]:
    """A folder's own files by name, then those of its folders; nothing twice, wherever links lead."""
    own = sorted(file for file in folder.iterdir() if file.suffix.lower() in endings and file.name[0] != ".")
    files = [file for file in own if file.is_file() and _take(file, taken)]
    for below in class_folders(folder):
        if _take(below, taken):
            files += _files_below(below, endings, taken)
    return files


def _take(path: Path, taken: set[Path]) -> bool:
    """Takes what a path leads to; whether nothing had led there before."""
    real = path.resolve()
    new = real not in taken
    taken.add(real)
    return new


def read_image(file: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
    """One image as (3, height, width); raises `DataError` naming it where it cannot be read."""
    try:
        # What Pillow warns of is what stands beside the pixels, such as a damaged EXIF block.
        with warnings.catch_warnings(action="ignore", category=UserWarning), Image.open(file) as image:
            fitted = ImageOps.fit(in_color(image), (size[1], size[0]), Image.Resampling.LANCZOS)
    except Exception as error:  # decoders raise whatever they come across in a broken file
        reason = first_line(error)
        raise DataError(f"image-folder: cannot read the image {file} ({reason}); mend or remove it") from error
    return np.asarray(fitted).transpose(2, 0, 1)


def in_color(image: Image.Image) -> Image.Image:
    """The image upright in 8-bit RGB, over white; raises `ValueError` where nothing says how bright its numbers are."""
    _scale_key(image)
    image.load()
    turn = TURNS.get(_orientation(image))
    upright = image if turn is None else image.transpose(turn)
    if _has_16_bits(image):
        upright = _in_8_bits(upright)
    elif image.mode in UNBOUNDED:
        raise ValueError("nothing says which of its 32-bit numbers are black and white")
    if not upright.has_transparency_data:
        return upright.convert("RGB")
    opaque = upright.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", opaque.size, "white"), opaque).convert("RGB")


def _orientation(image: Image.Image) -> int:
    """The orientation that the EXIF block says; 1, which is upright, where it says none or is damaged."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # noqa: BLE001  the block is no part of the pixels, and Pillow raises whatever is odd in it
        return 1


def _scale_key(image: Image.Image) -> None:
    """Makes the transparent gray of a PNG file one of those 8 bits that fewer are read as, before they are.

    Raises `ValueError` where the transparent color has 16 bits: 8 of them are read, which others share with it.
    """
    if not isinstance(image, PngImagePlugin.PngImageFile) or "transparency" not in image.info or not image.tile:
        return
    bits = image.tile[0].args
    if bits == "RGB;16B":
        raise ValueError("its transparent color has 16 bits, and 8 cannot tell it from others")
    if bits in KEY_SCALES:
        image.info["transparency"] *= KEY_SCALES[bits]


def _has_16_bits(image: Image.Image) -> bool:
    """Whether the image is one channel from 0 to 65535, as numbers of 32 bits in a netpbm file are too."""
    _check_white(image)
    return image.mode in GRAY16 or (image.mode == "I" and image.format == "PPM")


def _check_white(image: Image.Image) -> None:
    """Raises `ValueError` for a gray TIFF whose white is not at 65535, which Pillow reads as if it were."""
    if not (isinstance(image, TiffImagePlugin.TiffImageFile) and image.mode in GRAY16):
        return
    bits = image.tag_v2[TiffImagePlugin.BITSPERSAMPLE][0]
    if bits != 16:
        raise ValueError(f"{bits} bits of gray cannot be told from 16")
    if image.tag_v2.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) != BLACK_IS_ZERO:
        raise ValueError("its 16 bits of gray have white at 0")


def _in_8_bits(image: Image.Image) -> Image.Image:
    """A gray image of 16 bits in 8, with white where its file says that it is transparent."""
    levels = np.asarray(image)
    gray = np.round(levels / 257).astype(np.uint8)
    gray[levels == image.info.get("transparency")] = 255
    return Image.fromarray(gray)
