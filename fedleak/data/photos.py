"""Photo tiles: pieces of ten color photographs that come with scikit-image, scikit-learn and matplotlib."""

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from fedleak.data.loader import Loader, batch_of, loaders
from fedleak.io.package_files import package_file
from fedleak.learning.batch import Batch
from fedleak.learning.source import Part, Source

FLAT = 0.08
"""A tile whose spatial contrast is lower shows nothing (sky, black space, a white margin) and is left out.

No single color comes nearer to a tile that is kept than -20 log10(0.08) = 21.9 dB.
"""
NOBODY = -1
"""The part of what is in none."""


@dataclass(frozen=True, kw_only=True)
class Photo:
    """One photograph, who made it and under which license it is."""

    package: str
    file: str
    shows: str
    author: str
    license: str
    link: str


PHOTOS = (
    Photo(
        package="skimage",
        file="data/astronaut.png",
        shows="Eileen Collins",
        author="NASA",
        license="public domain",
        link="https://flic.kr/p/r9qvLn",
    ),
    Photo(
        package="skimage",
        file="data/coffee.png",
        shows="a cup of coffee",
        author="Rachel Michetti, Pikolo Espresso Bar",
        license="CC0",
        link="https://scikit-image.org/docs/stable/api/skimage.data.html#skimage.data.coffee",
    ),
    Photo(
        package="skimage",
        file="data/chelsea.png",
        shows="Chelsea the cat",
        author="Stefan van der Walt",
        license="CC0",
        link="https://scikit-image.org/docs/stable/api/skimage.data.html#skimage.data.chelsea",
    ),
    Photo(
        package="skimage",
        file="data/rocket.jpg",
        shows="the launch of DSCOVR",
        author="SpaceX",
        license="public domain",
        link="https://www.flickr.com/photos/spacexphotos/16511594820/",
    ),
    Photo(
        package="skimage",
        file="data/hubble_deep_field.jpg",
        shows="the Hubble eXtreme Deep Field",
        author="NASA, ESA",
        license="public domain",
        link="https://hubblesite.org/newscenter/archive/releases/2012/37/image/a/",
    ),
    Photo(
        package="skimage",
        file="data/ihc.png",
        shows="stained colonic glands under the microscope",
        author="Center for Microscopy and Molecular Imaging (CMMI)",
        license="no known restrictions",
        link="https://scikit-image.org/docs/stable/api/skimage.data.html#skimage.data.immunohistochemistry",
    ),
    Photo(
        package="matplotlib",
        file="mpl-data/sample_data/grace_hopper.jpg",
        shows="Grace Hopper",
        author="James S. Davis, US Navy",
        license="public domain",
        link="https://commons.wikimedia.org/wiki/File:Grace_Hopper.jpg",
    ),
    Photo(
        package="skimage",
        file="data/motorcycle_left.png",
        shows="a motorcycle in a garage",
        author="D. Scharstein et al., Middlebury 2014 stereo benchmark",
        license="free to use and publish, citing Scharstein et al., GCPR 2014",
        link="https://vision.middlebury.edu/stereo/data/scenes2014/",
    ),
    Photo(
        package="sklearn",
        file="datasets/images/china.jpg",
        shows="a temple in China",
        author="danielbuechele",
        license="CC BY 2.0",
        link="https://www.flickr.com/photos/danielbuechele/6061409035/",
    ),
    Photo(
        package="sklearn",
        file="datasets/images/flower.jpg",
        shows="a flower",
        author="vultilion",
        license="CC BY 2.0",
        link="https://www.flickr.com/photos/vultilion/6056698931/",
    ),
)
"""The photographs in the order of their class."""


@dataclass(frozen=True, kw_only=True)
class Tiles:
    """Tiles of one photograph or of all, what is known of each in the same order."""

    pixels: NDArray[np.uint8]
    """(tiles, 3, side, side)."""
    corners: NDArray[np.int64]
    """(tiles, 2): the upper left pixel in the photograph, row and column."""
    labels: NDArray[np.int64]
    parts: NDArray[np.int64]


@loaders.register("photos")
@dataclass(frozen=True, kw_only=True)
class Photos(Loader):
    """1,348 color tiles of 32x32 that do not overlap; the class is the photograph. Makers and licenses: `PHOTOS`.

    Of each photograph the left belongs to the test set, the middle to the clients and the right to the public, with a
    column of tiles between them that belongs to nobody, so that no split holds the surroundings of another's tile.
    """

    paper: ClassVar = "https://doi.org/10.7717/peerj.453"
    cites: ClassVar = "vanderwalt2014scikit"

    def read(self, source: Source) -> Batch:
        tiles = all_tiles(source.shape[1])
        return batch_of(tiles.pixels, tiles.labels, white=255.0)

    def parts(self, source: Source) -> Int[Tensor, " examples"]:
        return torch.from_numpy(all_tiles(source.shape[1]).parts)


@lru_cache(maxsize=1)
def all_tiles(side: int) -> Tiles:
    """The tiles of all photographs, photograph by photograph, row by row."""
    found = [tiles_of(pixels(photo), side, label) for label, photo in enumerate(PHOTOS)]
    return Tiles(**{field: np.concatenate([getattr(each, field) for each in found]) for field in vars(found[0])})


def pixels(photo: Photo) -> NDArray[np.uint8]:
    """The photograph (height, width, 3)."""
    with Image.open(package_file(photo.package, photo.file)) as file:
        return np.asarray(file.convert("RGB"))


def tiles_of(image: NDArray[np.uint8], side: int, label: int) -> Tiles:
    """The tiles of an image that show something and are in a part."""
    grid = cut(image, side)
    shown = contrast(grid) >= FLAT
    part = bands(shown.sum(axis=0))
    rows, columns = np.nonzero(shown & (part != NOBODY))
    return Tiles(
        pixels=grid[rows, columns],
        corners=side * np.stack([rows, columns], axis=1),
        labels=np.full(len(rows), label),
        parts=part[columns],
    )


def cut(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """All whole tiles of an image (rows, columns, 3, side, side)."""
    rows, columns = image.shape[0] // side, image.shape[1] // side
    grid = image[: rows * side, : columns * side].reshape(rows, side, columns, side, 3)
    return grid.transpose(0, 2, 4, 1, 3)


def contrast(tiles: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Spatial contrast in [0, 1]: the standard deviation over the pixels of a channel, root mean square over channels.

    It is the root mean squared error of the single color that comes nearest.
    """
    variances = (tiles / 255).var(axis=(-2, -1))
    contrasts: NDArray[np.float64] = np.sqrt(variances.mean(axis=-1))
    return contrasts


def bands(shown: NDArray[np.int64]) -> NDArray[np.int64]:
    """The part of each column of tiles, given how many of its tiles show something.

    The columns in which the count from the left passes a fifth and four fifths are the margins.
    """
    share, column = shown.cumsum() / shown.sum(), np.arange(len(shown))
    left, right = np.searchsorted(share, [0.2, 0.8])
    where = [column < left, (left < column) & (column < right), right < column]
    return np.select(where, [Part.TEST, Part.CLIENTS, Part.AUXILIARY], NOBODY)
