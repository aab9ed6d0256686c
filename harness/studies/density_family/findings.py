"""What the errors of a density-family study say about shape and scale, and the verdicts on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

if TYPE_CHECKING:
    from harness.studies.density_family.file import DensityFamilyFile


@dataclass(frozen=True, eq=False)
class Findings:
    """What the errors say.

    Attributes
    ----------
    study : DensityFamilyFile
    data : xarray.Dataset
        ``predicted`` (family, scale, exponent) and, if networks were trained, ``trained`` (family, marked, exponent,
        member).
    """

    study: DensityFamilyFile
    data: xr.Dataset

    @property
    def best(self) -> xr.DataArray:
        """Smallest predicted error over scales (family, exponent)."""
        return xr.DataArray(self.data.predicted.min("scale"))

    @property
    def best_scale(self) -> xr.DataArray:
        """The scale at which it is (family, exponent)."""
        return xr.DataArray(self.data.predicted.idxmin("scale"))

    @property
    def shape_ratio(self) -> xr.DataArray:
        """Largest over smallest of the best errors of all families (exponent)."""
        return xr.DataArray(self.best.max("family") / self.best.min("family"))

    @property
    def scale_ratio(self) -> xr.DataArray:
        """Worst over best error of every family over the range of scales (family, exponent)."""
        return xr.DataArray(self.data.predicted.max("scale") / self.best)

    @property
    def same_scale_ratio(self) -> xr.DataArray:
        """Largest over smallest error of all families at one and the same scale, at the worst scale (exponent)."""
        errors = self.data.predicted
        return xr.DataArray((errors.max("family") / errors.min("family")).max("scale"))

    @property
    def outweighs(self) -> xr.DataArray:
        """How much more the scale matters than the shape: the ratio of the logarithms of what both cost (exponent)."""
        return xr.DataArray(np.log(self.scale_ratio.min("family")) / np.log(self.shape_ratio))

    @property
    def trained(self) -> xr.DataArray:
        """Trained error, root mean square over networks (family, marked, exponent)."""
        return xr.DataArray(np.sqrt((self.data.trained**2).mean("member")))

    @property
    def gap(self) -> xr.DataArray:
        """Trained over predicted error minus 1 (family, marked, exponent)."""
        at = self.data.predicted.sel(scale=self.data.marked.values).rename(scale="marked")
        return xr.DataArray(self.trained / at - 1)
