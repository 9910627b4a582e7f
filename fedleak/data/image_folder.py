"""An image folder of one's own."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, TiffImagePlugin

from fedleak.data.loader import Loader, batch_of, loaders
from fedleak.errors import DataError
from fedleak.learning.batch import Batch
from fedleak.tasks import IMAGE_FOLDER, Source, class_folders

GRAY16 = ("I;16", "I;16L", "I;16B", "I;16N")
"""Pillow's modes of one channel of 16 bits."""
UNBOUNDED = ("I", "F")
"""Pillow's modes of 32 bits: numbers without a black and a white."""
UNREADABLE = (OSError, SyntaxError, ValueError, RuntimeError, Image.DecompressionBombError)
"""What Pillow raises, by format, where a file is broken or unknown."""
BLACK_IS_ZERO = 1
"""The photometric interpretation of most gray TIFF files."""


@loaders.register(IMAGE_FOLDER)
@dataclass(frozen=True, kw_only=True)
class ImageFolder(Loader):
    """The images below `source.path`, one subfolder a class in the order of their names.

    Each image is turned upright, laid over white where it is transparent, scaled so that its shorter side fits, and its
    middle cropped. Files that Pillow cannot open (notes, thumbnails' databases) and hidden ones are passed over.
    """

    paper: ClassVar = "https://github.com/pytorch/vision"
    cites: ClassVar = "torchvision2016"

    def read(self, source: Source) -> Batch:
        assert source.path is not None, "an image-folder source always has its path"
        classes = [images_in(folder) for folder in class_folders(source.path)]
        pixels = [read_image(file, source.shape[1:]) for files in classes for file in files]
        labels = np.repeat(np.arange(len(classes)), [len(files) for files in classes])
        return batch_of(np.stack(pixels), labels, white=255.0)


def images_in(folder: Path) -> list[Path]:
    """The image files in a folder, by name; raises `DataError` where there are none."""
    endings = {ending for ending, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in endings and file.name[0] != ".")
    if not files:
        raise DataError(f"image-folder: {folder} has no images; put some there or remove the folder")
    return files


def read_image(file: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
    """One image as (3, height, width); raises `DataError` naming it where it cannot be read."""
    try:
        with Image.open(file) as image:
            fitted = ImageOps.fit(in_color(image), (size[1], size[0]), Image.Resampling.LANCZOS)
    except UNREADABLE as error:
        raise DataError(f"image-folder: cannot read the image {file} ({error}); mend or remove it") from error
    return np.asarray(fitted).transpose(2, 0, 1)


def in_color(image: Image.Image) -> Image.Image:
    """The image upright in 8-bit RGB, over white; raises `ValueError` where nothing says how bright its numbers are."""
    upright = ImageOps.exif_transpose(image)
    if _has_16_bits(image):
        upright = _in_8_bits(upright)
    elif image.mode in UNBOUNDED:
        raise ValueError("nothing says which of its 32-bit numbers are black and white")
    if not upright.has_transparency_data:
        return upright.convert("RGB")
    opaque = upright.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", opaque.size, "white"), opaque).convert("RGB")


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
