"""A photograph as data to be learned."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np

from fefreq.support.arrays import FloatArray
from fefreq.targets.target import Target


@dataclass(frozen=True)
class Photograph:
    """The middle of a photograph (Grace Hopper, shipped with matplotlib), in colour, made smaller by averaging.

    It spans ``[0, 1]²``, the first coordinate to the right and the second upwards, with values from 0 to 1.

    Attributes
    ----------
    samples : int
        Pixels along each edge.
    averaged : int
        Pixels of the photograph along each edge of a sample.
    """

    samples: int = 128
    averaged: int = 4
    kind: Literal["photograph"] = field(default="photograph", kw_only=True, repr=False)

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    def __post_init__(self) -> None:
        width, height = 512, 600
        if self.samples < 2 or self.averaged < 1 or self.samples * self.averaged > width:
            raise ValueError(
                f"{self.samples} samples of {self.averaged} pixels do not fit into the {width} x {height} photograph: "
                f"samples times averaged is at most {width}"
            )

    def make(self) -> Target:
        """Cut the photograph and average its pixels."""
        return Target.from_grid(self.pixels(), [(0, 1), (0, 1)])

    def pixels(self) -> FloatArray:
        """Values ``(samples, samples, 3)``, axes as coordinates."""
        from matplotlib.cbook import get_sample_data
        from PIL import Image

        with Image.open(str(get_sample_data("grace_hopper.jpg", asfileobj=False))) as image:
            values = np.asarray(image.convert("RGB"), dtype=np.float64) / 255
        edge = self.samples * self.averaged
        top, left = (values.shape[0] - edge) // 4, (values.shape[1] - edge) // 2
        square = values[top : top + edge, left : left + edge]
        blocks = square.reshape(self.samples, self.averaged, self.samples, self.averaged, 3).mean(axis=(1, 3))
        return np.ascontiguousarray(blocks[::-1].transpose(1, 0, 2))
