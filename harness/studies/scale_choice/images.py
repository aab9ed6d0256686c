"""Images that come with matplotlib, and files of one's own, as squares of grey values from 0 to 1."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

import numpy as np

from fefreq.support.arrays import FloatArray
from fefreq.targets.readers import read_image

Sample = Literal["terrain", "mri", "photograph"]

MRI_SIDE = 256
CORNER = (100, 100)  # of the piece of terrain


def image_named(name: str, samples: int) -> FloatArray:
    """A square of grey values, least 0 and largest 1.

    Parameters
    ----------
    name : str
        "terrain", measured elevations at their own resolution; "mri", a slice of a head; "photograph", a portrait;
        or the path of an image.
    samples : int
        Pixels along a side. Images are cut to a square and averaged over blocks of pixels, terrain is cut only.

    Returns
    -------
    ndarray, shape (samples, samples)

    Raises
    ------
    ValueError
        If there is no such image, it is smaller than asked for, or it has one value only.
    """
    if name == "terrain":
        return scaled(_terrain(samples), name)
    whole = _mri() if name == "mri" else _grey(_photograph() if name == "photograph" else Path(name))
    return scaled(shrunk(whole, samples, name), name)


def is_sample(name: str) -> bool:
    """Whether an image comes with matplotlib."""
    return name in get_args(Sample)


def shrunk(image: FloatArray, samples: int, name: str) -> FloatArray:
    """The middle square, averaged over blocks of pixels."""
    block = min(image.shape) // samples
    if block < 1:
        raise ValueError(
            f"samples is {samples}, but the image {name} has only {min(image.shape)} pixels along a side"
        )
    side = block * samples
    i, j = ((n - side) // 2 for n in image.shape)
    square = image[i : i + side, j : j + side]
    return np.asarray(square.reshape(samples, block, samples, block).mean(axis=(1, 3)))


def scaled(image: FloatArray, name: str) -> FloatArray:
    """The image with least value 0 and largest 1."""
    low, high = float(image.min()), float(image.max())
    if low == high:
        raise ValueError(f"the image {name} has the one value {low:g}, so that there is nothing to learn")
    return (image - low) / (high - low)


def _terrain(samples: int) -> FloatArray:
    from matplotlib.cbook import get_sample_data

    with np.load(get_sample_data("jacksboro_fault_dem.npz", asfileobj=False)) as data:
        elevation = data["elevation"].astype(np.float64)
    i, j = CORNER
    most = min(elevation.shape[0] - i, elevation.shape[1] - j)
    if samples > most:
        raise ValueError(f"samples is {samples}, but the terrain has only {most} along a side")
    return _upright(elevation[i : i + samples, j : j + samples])


def _upright(rows: FloatArray) -> FloatArray:
    """Rows run downwards in a picture; here the first axis is x, to the right, the second y, upwards."""
    return np.ascontiguousarray(rows[::-1].T)


def _mri() -> FloatArray:
    import gzip

    from matplotlib.cbook import get_sample_data

    with gzip.open(str(get_sample_data("s1045.ima.gz", asfileobj=False))) as file:
        values = np.frombuffer(file.read(), np.uint16).reshape(MRI_SIDE, MRI_SIDE)
    return _upright(values.astype(np.float64))


def _photograph() -> Path:
    from matplotlib.cbook import get_sample_data

    return Path(str(get_sample_data("grace_hopper.jpg", asfileobj=False)))


def _grey(path: Path) -> FloatArray:
    if not path.is_file():
        raise ValueError(
            f"there is no image {path}; of images that need no file there are {', '.join(get_args(Sample))}"
        )
    values = read_image(path)
    # Luma of ITU-R BT.601.
    return values if values.ndim == 2 else np.asarray(values @ np.array([0.299, 0.587, 0.114]))
