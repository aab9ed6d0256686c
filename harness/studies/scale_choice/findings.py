"""What predicted and trained errors say about the best scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from fefreq.initialisation.scale.recommendation import Recommendation
from fefreq.initialisation.scale.table import flat_range

if TYPE_CHECKING:
    pass
from harness.studies.scale_choice.file import ScaleChoiceFile


@dataclass(frozen=True, eq=False)
class Findings:
    """What predictions and networks say.

    Attributes
    ----------
    study : ScaleChoiceFile
    data : xarray.Dataset
        ``predicted`` and ``trained`` held-out PSNR over image and scale.
    advice : dict
        Recommendations by image.
    """

    study: ScaleChoiceFile
    data: xr.Dataset
    advice: dict[str, Recommendation]

    @property
    def images(self) -> list[str]:
        """Names of the images."""
        return [str(name) for name in self.data.image.values]

    def best(self, source: str, image: str) -> int:
        """Place of the best scale: predicted, as it is recommended, or trained, of the largest PSNR."""
        decibels = self.data[source].sel(image=image).values
        return flat_range(decibels)[0] if source == "predicted" else int(np.argmax(decibels))

    def largest(self, image: str) -> int:
        """Place of the largest predicted PSNR, which need not be that of the best scale."""
        return int(np.argmax(self.data.predicted.sel(image=image).values))

    def loss(self, image: str) -> float:
        """What following the prediction loses against the best trained network, in dB."""
        trained = self.data.trained.sel(image=image).values
        return float(trained.max() - trained[self.best("predicted", image)])

    def gaps(self, image: str) -> xr.DataArray:
        """Predicted minus trained PSNR at the scales up to twice the best, predicted or trained."""
        largest = 2 * max(self.study.scales[self.best(source, image)] for source in ("predicted", "trained"))
        pairs = self.data.sel(image=image)
        difference: xr.DataArray = pairs.predicted - pairs.trained
        return difference.sel(scale=[scale for scale in self.study.scales if scale <= largest * (1 + 1e-9)])
