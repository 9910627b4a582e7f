"""An image folder of one's own."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from fedleak.data.loader import Loader, batch_of, loaders
from fedleak.errors import DataError
from fedleak.learning.batch import Batch
from fedleak.tasks import IMAGE_FOLDER, Source


@loaders.register(IMAGE_FOLDER)
@dataclass(frozen=True, kw_only=True)
class ImageFolder(Loader):
    """The images below `source.path`, one subfolder a class in the order of their names.

    Each image is turned upright, scaled so that its shorter side fits, and its middle cropped. Files that Pillow
    has no format for (notes, thumbnails' databases) are passed over.
    """

    paper: ClassVar = "https://github.com/pytorch/vision"
    cites: ClassVar = "torchvision2016"

    def read(self, source: Source) -> Batch:
        assert source.path is not None, "an image-folder source always has its path"
        classes = [images_in(folder) for folder in sorted(source.path.iterdir()) if folder.is_dir()]
        pixels = [read_image(file, source.shape[1:]) for files in classes for file in files]
        labels = np.repeat(np.arange(len(classes)), [len(files) for files in classes])
        return batch_of(np.stack(pixels), labels, white=255.0)


def images_in(folder: Path) -> list[Path]:
    """The image files in a folder, by name; raises `DataError` where there are none."""
    formats = Image.registered_extensions()
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in formats and file.name[0] != ".")
    if not files:
        raise DataError(f"image-folder: {folder} has no images; put some there or remove the folder")
    return files


def read_image(file: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
    """One image as (3, height, width); raises `DataError` naming it where it cannot be read."""
    try:
        with Image.open(file) as image:
            upright = ImageOps.exif_transpose(image).convert("RGB")
            fitted = ImageOps.fit(upright, (size[1], size[0]), Image.Resampling.LANCZOS)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"image-folder: cannot read the image {file} ({error}); mend or remove it") from error
    return np.asarray(fitted).transpose(2, 0, 1)
