"""Photo tiles: pieces of ten color photographs that come with scikit-image and scikit-learn."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fedleak.data.loader import Loader, batch_of, loaders, package_file
from fedleak.learning.batch import Batch
from fedleak.tasks import Source

FLAT = 0.05
"""A tile whose standard deviation is lower shows nothing (sky, black space, a white margin) and is left out."""


@dataclass(frozen=True, kw_only=True)
class Photo:
    """One photograph, who made it and under which license it is."""

    package: str
    file: str
    shows: str
    author: str
    license: str
    link: str
    crop: tuple[int, int, int, int] | None = None
    """Left, upper, right, lower, in pixels."""
    shrink: int = 1
    """Each side is divided by this, by averaging."""


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
        package="skimage",
        file="data/retina.jpg",
        shows="the retina of a left eye",
        author="Mikael Häggström",
        license="CC0",
        link="https://commons.wikimedia.org/wiki/File:Fundus_photograph_of_normal_left_eye.jpg",
        crop=(200, 200, 1200, 1200),
        shrink=2,
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


@loaders.register("photos")
@dataclass(frozen=True, kw_only=True)
class Photos(Loader):
    """2,528 color tiles of 32x32 that do not overlap; the class is the photograph. Makers and licenses: `PHOTOS`."""

    paper: ClassVar = "https://doi.org/10.7717/peerj.453"
    cites: ClassVar = "vanderwalt2014scikit"

    def read(self, source: Source) -> Batch:
        tiles = [interesting(cut(pixels(photo), source.shape[1])) for photo in PHOTOS]
        labels = np.repeat(np.arange(len(tiles)), [len(of_photo) for of_photo in tiles])
        return batch_of(np.concatenate(tiles), labels, white=255.0)


def pixels(photo: Photo) -> NDArray[np.uint8]:
    """The photograph (height, width, 3), cropped and shrunk."""
    with Image.open(package_file(photo.package, photo.file)) as file:
        image = file.convert("RGB")
    return np.asarray(image.crop(photo.crop).reduce(photo.shrink))


def cut(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """All whole tiles (tiles, 3, side, side) of an image, row by row."""
    rows, columns = image.shape[0] // side, image.shape[1] // side
    grid = image[: rows * side, : columns * side].reshape(rows, side, columns, side, 3)
    return grid.transpose(0, 2, 4, 1, 3).reshape(-1, 3, side, side)


def interesting(tiles: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The tiles that are not flat."""
    kept: NDArray[np.uint8] = tiles[tiles.std(axis=(1, 2, 3)) >= FLAT * 255]
    return kept
