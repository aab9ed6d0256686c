"""What the errors of a designed-density study say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import xarray as xr

from fefreq import DensityDesign, Gaussian, Uniform
from fefreq.densities.base import Density

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.studies.designed_density.file import DesignedDensityFile

SOURCES = {"pde": "diffusion equation", "kernel": "kernel flow", "network": "networks"}
FAMILIES: dict[str, Callable[[float], Density]] = {"gaussian": Gaussian, "uniform": Uniform}
DENSITIES = ("designed", *FAMILIES)


@dataclass(frozen=True, eq=False)
class Findings:
    """What the errors say.

    Attributes
    ----------
    study : DesignedDensityFile
    data : xarray.Dataset
        ``predicted`` (source, density, exponent, time), ``scale`` (source, density, exponent) and, if networks were
        trained, ``trained`` (density, exponent, member, time).
    designs : dict
        By exponent.
    """

    study: DesignedDensityFile
    data: xr.Dataset
    designs: dict[float, DensityDesign]

    @property
    def at_budget(self) -> xr.DataArray:
        """Errors at the budget (source, density, exponent); networks are the source ``network``, mean of all."""
        left: xr.DataArray = self.data.predicted.sel(time=self.study.time_budget)
        if "trained" not in self.data:
            return left
        trained = self.data.trained.sel(time=self.study.time_budget).mean("member")
        every: xr.DataArray = xr.concat([left, trained.expand_dims(source=["network"])], dim="source")
        return every

    @property
    def ratio(self) -> xr.DataArray:
        """Error of the designed density over that of the best other one (source, exponent)."""
        left = self.at_budget
        ratio: xr.DataArray = left.sel(density="designed", drop=True) / left.sel(density=list(FAMILIES)).min(
            "density"
        )
        return ratio

    def densities(self, exponent: float) -> dict[str, Density]:
        """The densities that are compared for an exponent, the usual ones at their best scales by the kernel flow."""
        scales = self.data.scale.sel(source="kernel", exponent=exponent)
        usual = {name: made(float(scales.sel(density=name))) for name, made in FAMILIES.items()}
        return {"designed": self.designs[exponent].density, **usual}
